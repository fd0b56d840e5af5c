import { ModelError, type Rule } from '@lowlat/core'

export const bytesRule: Rule = {
  expected: 'the bytes of an ONNX file in a Uint8Array',
  accepts: (value) => value instanceof Uint8Array,
}
export const messageRule: Rule = {
  expected: 'a protobuf message as an object',
  accepts: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}

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
