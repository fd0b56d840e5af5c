export { testDataFolder, testDataMissing, testDataPath } from './test-data.ts'
