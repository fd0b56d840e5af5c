import {
  BackendError,
  ConfigError,
  type ErrorCode,
  InputError,
  isLowlatError,
  type LowlatError,
  ModelError,
  messageOf,
  withoutRemedy,
} from '@lowlat/core'

/** An error on its way between threads, which carry no classes. */
export interface ErrorRecord {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Undefined for errors that are none of lowlat's. */
  readonly code?: ErrorCode
  readonly remedy: string
  readonly expected?: unknown
  readonly received?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

export function recordOf(error: unknown): ErrorRecord {
  const stack = error instanceof Error ? error.stack : undefined
  if (!isLowlatError(error)) return { name: 'Error', message: messageOf(error), stack, remedy: '' }
  const { name, code, remedy, expected, received, details } = error
  return { name, message: withoutRemedy(error), stack, code, remedy, expected, received, details }
}

const classes = new Map([ModelError, InputError, ConfigError, BackendError].map((kind) => [kind.name, kind]))

/** What was thrown in the other thread; its stack there is the cause. */
export function errorFrom({ name, message, stack, code, ...fields }: ErrorRecord): LowlatError {
  const cause = stack === undefined ? undefined : new Error(stack)
  const Kind = classes.get(name)
  if (code && Kind) return new Kind(code, { message, ...fields, cause })
  const remedy = fields.remedy || 'Report this, with the model if you can share it.'
  return new BackendError(code ?? 'RUN_FAILED', { message: `The model could not be read: ${message}.`, remedy, cause })
}
