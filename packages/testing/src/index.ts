export {
  denseModel,
  gatherModel,
  identityModel,
  pictureModel,
  smallModel,
  sumModel,
  unknownOperatorModel,
} from './contract/models.ts'
export { type OperatorSuite, testOperatorCases } from './contract/operator-cases.ts'
export { testProbeWithoutDriver } from './contract/probe-without-driver.ts'
export { type BackendSuite, testBackend } from './contract/test-backend.ts'
export { type BuiltSimulator, buildSimulator, type SimulatorSources } from './cuda-sim/build.ts'
export { buildOnce } from './cuda-sim/cache.ts'
export { simulatorUnavailable } from './cuda-sim/compiler.ts'
export { SimulatorControl, type SimulatorCounts } from './cuda-sim/control.ts'
export { testsOnGpu } from './cuda-sim/hardware.ts'
export { type LinkOptions, link } from './cuda-sim/link.ts'
export { isSanitized, runSanitized, type SanitizedResult, type SanitizedRun } from './cuda-sim/sanitized.ts'
export { expectCleanTests } from './cuda-sim/sanitized-tests.ts'
export { FakeClock } from './fake-clock.ts'
export {
  type BuiltFakeNvinfer,
  buildFakeNvinfer,
  buildFakePlugins,
  type FakeNvinferOptions,
} from './fake-nvinfer/build.ts'
export { FakeNvinferControl, nvinferErrors } from './fake-nvinfer/control.ts'
export {
  type NullBackendLog,
  type NullBackendOptions,
  type NullSessionOptions,
  nullBackend,
  nullSession,
} from './null-backend.ts'
export { testDataFolder, testDataMissing, testDataPath } from './test-data.ts'
