import { expectCleanTests } from '@lowlat/testing'
import { describe, it } from 'vitest'
import { addonUntestable } from './testing/native-bench.ts'

describe.skipIf(addonUntestable)('under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
  it('the tests of the addon are clean', () =>
    expectCleanTests('packages/backend-trt/src/native.test.ts', 'packages/backend-trt/src/native-engine.test.ts'))
})
