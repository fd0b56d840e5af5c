import { BackendError, isLowlatError, ModelError, messageOf, type Shape } from '@lowlat/core'

type Shapes = Readonly<Record<string, Shape>>

const listed = (shapes: Shapes) =>
  Object.entries(shapes)
    .map(([name, shape]) => `'${name}' [${shape.join(', ')}]`)
    .join(', ')

/** What went wrong while a model was compiled, as a typed error: a list of backends then goes on to the next one. */
export function compileError(error: unknown, shapes: Shapes): unknown {
  if (isLowlatError(error)) return error
  return new ModelError('MODEL_UNSUPPORTED', {
    message: `The CUDA backend cannot compile this model for ${listed(shapes)}: ${messageOf(error)}.`,
    remedy: "This is a mistake of lowlat: report it with the model, and use the backend 'cpu' meanwhile.",
    details: { shapes },
    cause: error,
  })
}

/** What went wrong while a loaded model was prepared for new shapes, as a typed error. */
export function prepareError(error: unknown, shapes: Shapes): unknown {
  if (isLowlatError(error)) return error
  return new BackendError('RUN_FAILED', {
    message: `The CUDA backend cannot run this model for ${listed(shapes)}: ${messageOf(error)}.`,
    remedy: 'This is a mistake of lowlat: report it with the model. Other shapes are not affected.',
    details: { shapes },
    cause: error,
  })
}
