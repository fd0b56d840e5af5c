import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { skipReason as reason } from './harness.ts'
import { runSanitized } from './sanitized.ts'
import { expectCleanTests } from './sanitized-tests.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))

describe.skipIf(reason)(`under AddressSanitizer and UndefinedBehaviorSanitizer${reason ? ` (${reason})` : ''}`, () => {
  const runKernel = (kernel: string, at: number) =>
    runSanitized({ args: ['--import', 'tsx', `${here}out-of-bounds.ts`, kernel, String(at)], cwd: root })

  test('the tests of the simulator are clean', () => expectCleanTests(here))

  test('a kernel that stays inside ends well', async () => {
    expect(await runKernel('store_anywhere', 127)).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('result 0'),
    })
  })

  test.each([
    ['store_anywhere', -1],
    ['load_anywhere', -1],
    ['store_to_shared', 128],
  ])('%s at %i is reported with its place', async (kernel, at) => {
    const { exitCode, output } = await runKernel(kernel, at)
    expect(output).toMatch(/AddressSanitizer: use-after-poison/)
    expect(output).toContain('bugs.cu')
    expect(exitCode).toBe(99)
  })

  test.each([
    ['store_anywhere', 128, 'access to memory that is not allocated'],
    ['misaligned_copy', 4, 'not aligned'],
  ])('%s at %i fails the kernel', async (kernel, at, message) => {
    const { output } = await runKernel(kernel, at)
    expect(output).toContain(message)
    expect(output).toMatch(/result 7\d\d/)
  })
})
