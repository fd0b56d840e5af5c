import { fileURLToPath } from 'node:url'
import { runSanitized } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { addonUntestable } from './testing/native-bench.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

describe.skipIf(addonUntestable)('under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
  it('the tests of the addon are clean', async () => {
    const tests = ['native', 'native-engine'].map((name) => `packages/backend-trt/src/${name}.test.ts`)
    const { exitCode, output } = await runSanitized({
      args: ['node_modules/vitest/vitest.mjs', 'run', '--testTimeout=300000', '--hookTimeout=900000', ...tests],
      cwd: root,
    })
    expect(output).toMatch(/Tests .*passed/)
    expect(output).not.toMatch(/Sanitizer|runtime error/)
    expect(exitCode, output).toBe(0)
  })
})
