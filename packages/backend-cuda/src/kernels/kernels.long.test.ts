import { fileURLToPath } from 'node:url'
import { runSanitized, simulatorUnavailable, testsOnGpu } from '@lowlat/testing'
import { describe, expect, test } from 'vitest'
import { seedVariable } from '../testing/kernel-runner.ts'

const workspace = fileURLToPath(new URL('../../../..', import.meta.url))
const vitest = fileURLToPath(new URL('../../../../node_modules/vitest/vitest.mjs', import.meta.url))
const suites = [
  ...['convolution', 'matrix-product', 'depthwise', 'attention'],
  ...['elementwise', 'copy', 'reduce', 'softmax', 'normalize', 'pool', 'indexed', 'pad', 'resize'],
]
const missing = testsOnGpu() ? 'the GPU takes the place of the simulator' : simulatorUnavailable()

describe.skipIf(missing)(`kernels with threads in any order, sanitized${missing ? `: ${missing}` : ''}`, () => {
  test.each(suites.flatMap((suite) => [1, 2, 3].map((seed) => [suite, seed] as const)))(
    '%s, seed %i',
    async (suite, seed) => {
      const file = fileURLToPath(new URL(`./${suite}.test.ts`, import.meta.url))
      const args = [vitest, 'run', '--pool=forks', '--testTimeout=300000', '--hookTimeout=600000', file]
      const result = await runSanitized({
        args,
        cwd: workspace,
        env: { [seedVariable]: String(seed) },
        timeoutMs: 1_200_000,
      })
      expect(result.exitCode, result.output).toBe(0)
    },
    1_200_000,
  )
})
