import type { Feeds, TensorInfo } from './contract.ts'
import { arrayLengthOf } from './dtype.ts'
import { InputError } from './errors.ts'
import { Tensor } from './tensor.ts'

export interface NamedTensor {
  readonly name: string
  readonly tensor: Tensor
}

/**
 * For backends, at the start of a run: the feeds in the order of the model's inputs, each read once, whether it is an own
 * property, inherited or a getter. They were checked when the request came, but it may have waited since, and memory changes hands.
 * @throws InputError INPUT_MISSING or INPUT_BYTE_LENGTH.
 */
export function feedList(feeds: Feeds, inputs: readonly TensorInfo[]): NamedTensor[] {
  return inputs.map(({ name }) => {
    const tensor = feeds[name]
    if (!(tensor instanceof Tensor)) throw missing(name)
    if (tensor.data.length !== arrayLengthOf(tensor.dtype, tensor.size)) throw changed(name, tensor)
    return { name, tensor }
  })
}

function missing(name: string): InputError {
  return new InputError('INPUT_MISSING', {
    message: `Expected a tensor as input '${name}', which is gone since the request was made.`,
    remedy: 'Do not change the feeds before the request has settled.',
    expected: name,
  })
}

function changed(name: string, { dtype, size, data }: Tensor): InputError {
  const expected = arrayLengthOf(dtype, size)
  return new InputError('INPUT_BYTE_LENGTH', {
    message: `Expected ${expected} array elements in the tensor for input '${name}', got ${data.length}: its memory was transferred or resized since the request was made.`,
    remedy: 'Keep the memory until the request has settled; nothing of it was lost, and the session goes on.',
    expected,
    received: data.length,
  })
}
