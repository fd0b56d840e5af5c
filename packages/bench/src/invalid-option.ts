import { ConfigError } from '@lowlat/core'

export function invalid(what: string, expected: string, received: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message: `Expected ${what} to be ${expected}, got '${received}'.`,
    remedy: 'See --help.',
    expected,
    received,
  })
}
