/**
 * Whether the tests of the CUDA packages run on this machine's GPU (LOWLAT_TEST_GPU=1) and not on the simulator. What
 * controls the simulator, or looks into it, is skipped then.
 */
export function testsOnGpu(): boolean {
  return process.env.LOWLAT_TEST_GPU === '1'
}
