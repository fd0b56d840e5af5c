import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { skipReason as reason } from '../cuda-sim/harness.ts'
import { runSanitized } from '../cuda-sim/sanitized.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))

describe.skipIf(reason)(`the stand-in for TensorRT under sanitizers${reason ? ` (${reason})` : ''}`, () => {
  test('its tests, with the addon, are clean', async () => {
    const { exitCode, output } = await runSanitized({
      args: ['node_modules/vitest/vitest.mjs', 'run', '--testTimeout=300000', '--hookTimeout=600000', here],
      cwd: root,
    })
    expect(output).toMatch(/Tests .*passed/)
    expect(output).not.toMatch(/Sanitizer|runtime error/)
    expect(exitCode, output).toBe(0)
  })
})
