import { expectCleanTests } from '@lowlat/testing'
import { describe, it } from 'vitest'
import { addonUntestable } from './testing/native-bench.ts'

describe.skipIf(addonUntestable)('under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
  it.each([
    ['of the contract', 'backend.test.ts'],
    ['of the backend on the stand-ins', 'stand-in.test.ts'],
    ['of single calls', 'calls.test.ts'],
    ['of plans', 'plans.test.ts'],
    ['of concurrent runs', 'concurrency.test.ts'],
  ])('the tests %s are clean', (_, file) => expectCleanTests(`packages/backend-trt/src/${file}`))
})
