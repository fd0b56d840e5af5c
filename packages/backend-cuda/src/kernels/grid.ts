/** How a kernel starts that gives each of `count` items a thread of its own and needs no shared memory. */
export function threadPerItem(count: number, threads = 128) {
  return { grid: [Math.ceil(count / threads), 1, 1], threads, sharedBytes: 0 } as const
}
