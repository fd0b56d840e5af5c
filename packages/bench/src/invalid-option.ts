import { existsSync, statSync } from 'node:fs'
import { ConfigError } from '@lowlat/core'

export function invalid(what: string, expected: string, received: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message: `Expected ${what} to be ${expected}, got '${received}'.`,
    remedy: 'See --help.',
    expected,
    received,
  })
}

/** Whether there is such a file, and no folder of that name. */
export function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile()
}
