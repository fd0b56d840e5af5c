import { defineConfig, mergeConfig } from 'vitest/config'
import { suite } from './vitest.config.ts'

/** The tests that say something about a GPU, on the GPU: see scripts/gpu-run.sh. One file at a time: there is one device. */
export default mergeConfig(
  suite('unit'),
  defineConfig({
    test: {
      include: ['packages/cuda-driver/src/**/*.test.ts', 'packages/backend-cuda/src/**/*.test.ts'],
      exclude: ['**/node_modules/**', '**/dist/**'],
      env: { LOWLAT_TEST_GPU: '1' },
      testTimeout: 300_000,
      maxWorkers: 1,
    },
  }),
)
