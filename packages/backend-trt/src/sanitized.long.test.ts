import { fileURLToPath } from 'node:url'
import { runSanitized } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { addonUntestable } from './testing/native-bench.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

describe.skipIf(addonUntestable)('under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
  it.each([
    ['of the contract', 'backend.test.ts'],
    ['of the backend on the stand-ins', 'stand-in.test.ts'],
    ['of single calls', 'calls.test.ts'],
    ['of plans', 'plans.test.ts'],
    ['of concurrent runs', 'concurrency.test.ts'],
  ])('the tests %s are clean', async (_, file) => {
    const tests = `packages/backend-trt/src/${file}`
    const { exitCode, output } = await runSanitized({
      args: ['node_modules/vitest/vitest.mjs', 'run', '--testTimeout=300000', '--hookTimeout=900000', tests],
      cwd: root,
    })
    expect(output).toMatch(/Tests .*passed/)
    expect(output).not.toMatch(/Sanitizer|runtime error/)
    expect(exitCode, output).toBe(0)
  })
})
