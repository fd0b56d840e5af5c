export { FakeClock } from './fake-clock.ts'
export { type NullBackendLog, type NullBackendOptions, nullBackend } from './null-backend.ts'
export { testDataFolder, testDataMissing, testDataPath } from './test-data.ts'
