import { fileURLToPath } from 'node:url'
import { describe, test } from 'vitest'
import { skipReason as reason } from '../cuda-sim/harness.ts'
import { expectCleanTests } from '../cuda-sim/sanitized-tests.ts'

const here = fileURLToPath(new URL('.', import.meta.url))

describe.skipIf(reason)(`the stand-in for TensorRT under sanitizers${reason ? ` (${reason})` : ''}`, () => {
  test('its tests, with the addon, are clean', () => expectCleanTests(here))
})
