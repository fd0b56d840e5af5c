import { defineConfig } from 'vitest/config'
import { suite } from './vitest.config.ts'

const { test, ...config } = suite('unit')

/** The tests that say something about a GPU, on the GPU: see scripts/gpu-run.sh. Few at a time: there is one device. */
export default defineConfig({
  ...config,
  test: {
    ...test,
    include: [
      'packages/cuda-driver/src/**/*.test.ts',
      'packages/backend-cuda/src/**/*.test.ts',
      'packages/backend-trt/src/hardware.test.ts',
    ],
    exclude: ['**/node_modules/**', '**/dist/**'],
    env: { LOWLAT_TEST_GPU: '1' },
    testTimeout: 300_000,
  },
})
