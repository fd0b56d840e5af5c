/**
 * The fewest candidates, in their order, that have to be taken for `holds` to become true; undefined when not even all of
 * them suffice. Each answer costs an evaluation, so the number is first doubled and then halved in between, and single
 * ones that turn out to be needless are given back.
 */
export async function fewest<T>(
  candidates: readonly T[],
  holds: (taken: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  if (await holds([])) return []
  let failing = 0
  let count = 1
  while (!(await holds(candidates.slice(0, count)))) {
    if (count >= candidates.length) return undefined
    failing = count
    count = Math.min(2 * count, candidates.length)
  }
  while (count - failing > 1) {
    const middle = (count + failing) >> 1
    if (await holds(candidates.slice(0, middle))) count = middle
    else failing = middle
  }
  return withoutNeedless(candidates.slice(0, count), holds)
}

/** Tries from the least important one on; the last one is known to be needed. */
async function withoutNeedless<T>(
  taken: readonly T[],
  holds: (taken: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let kept = taken
  for (const candidate of taken.slice(0, -1).toReversed()) {
    const fewer = kept.filter((other) => other !== candidate)
    if (await holds(fewer)) kept = fewer
  }
  return kept
}
