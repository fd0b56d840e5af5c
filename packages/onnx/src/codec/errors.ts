import { ModelError } from '@lowlat/core'

/** The bytes are not the message that they should be; `offset` is where reading stopped, in bytes from the start. */
export function malformed(message: string, offset: number, cause?: unknown): ModelError {
  return new ModelError('MODEL_INVALID', {
    message: `Expected ONNX, but the bytes are malformed at offset ${offset}: ${message}.`,
    remedy: 'Export the model again, and check that the download or copy was completed.',
    details: { offset },
    cause,
  })
}

/** The bytes can be read, but what they say is not a valid model. */
export function invalidModel(message: string, details?: Readonly<Record<string, unknown>>): ModelError {
  return new ModelError('MODEL_INVALID', {
    message,
    remedy: 'Export the model again; onnx.checker in Python names further problems.',
    ...(details && { details }),
  })
}
