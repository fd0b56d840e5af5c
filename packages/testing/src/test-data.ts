import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * The folder with the real models and images that tests use where it is present. It is never part of the repository:
 * `../shared/data` beside the checkout, or wherever LOWLAT_TEST_DATA points.
 */
export const testDataFolder = resolve(process.env.LOWLAT_TEST_DATA ?? join(repository, '../shared/data'))

/** Why a test that needs this file of the test data is skipped; undefined where the file is there. */
export function testDataMissing(file: string): string | undefined {
  return existsSync(testDataPath(file)) ? undefined : `needs ${file} of the test data (LOWLAT_TEST_DATA)`
}

export function testDataPath(file: string): string {
  return join(testDataFolder, file)
}
