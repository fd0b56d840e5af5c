import type { BackendSuite } from '@lowlat/testing'

const noSuchType = 'TensorRT has no inputs or outputs of this type'

/** The contract of backends, as far as TensorRT can keep it. */
export const trtContract = {
  backendOptions: { timingCache: false, defaultRange: { min: 1, opt: 8, max: 256 } },
  exclude: {
    'returns float64 as it came': noSuchType,
    'returns int16 as it came': noSuchType,
    'returns uint16 as it came': noSuchType,
    'returns uint32 as it came': noSuchType,
    'returns uint64 as it came': noSuchType,
    'rejects a run that fails, and goes on': 'TensorRT clamps indices of Gather instead of failing',
  },
} as const satisfies Omit<BackendSuite, 'create'>
