import { checkArgument, ModelError } from '@lowlat/core'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { bytesRule, invalidModel } from './errors.ts'
import type { ModelProto } from './messages.ts'

/**
 * Decodes an ONNX model. Weights stay views on `bytes`, which must not change while the model is in use; a model of
 * 100 MB takes milliseconds.
 * @throws ModelError MODEL_INVALID for bytes that are not an ONNX model, with the offset where reading stopped;
 * InputError INVALID_ARGUMENT for what is no Uint8Array.
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  checkArgument('bytes', bytes, bytesRule)
  if (bytes.length === 0) {
    throw new ModelError('MODEL_INVALID', {
      message: 'Expected an ONNX model, but there are no bytes.',
      remedy: 'Check that the download or copy was completed.',
      received: 0,
    })
  }
  let model: ModelProto
  try {
    model = decode('ModelProto', bytes)
    if (!model.graph) {
      throw invalidModel('Expected an ONNX model, but the file has no graph (ModelProto.graph, field 7).')
    }
  } catch (cause) {
    const format = formatOf(bytes)
    if (!format) throw cause
    throw new ModelError('MODEL_INVALID', {
      message: `Expected an ONNX model, but the bytes are ${format.name}.`,
      remedy: format.remedy,
      received: format.name,
      cause,
    })
  }
  return model
}

/** The bytes of the model; weights are copied once. @throws as {@link encode} does. */
export function encodeModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  return encode('ModelProto', model)
}

interface FileFormat {
  readonly name: string
  readonly magic: string | readonly number[]
  readonly offset?: number
  readonly remedy: string
}

const pickAnother = 'Pass the path or the bytes of a .onnx file.'

/** What people hand over by mistake, recognised by its first bytes. */
const otherFormats: readonly FileFormat[] = [
  { name: 'a JPEG image', magic: [0xff, 0xd8, 0xff], remedy: pickAnother },
  { name: 'a PNG image', magic: [0x89, 0x50, 0x4e, 0x47], remedy: pickAnother },
  {
    name: 'a zip archive (PyTorch saves its models so)',
    magic: 'PK\x03\x04',
    remedy: 'Unpack it, or export the PyTorch model with torch.onnx.export.',
  },
  { name: 'gzip-compressed', magic: [0x1f, 0x8b], remedy: 'Decompress the file first.' },
  { name: 'an HDF5 file (Keras)', magic: [0x89, 0x48, 0x44, 0x46], remedy: 'Convert the model with tf2onnx.' },
  { name: 'a TensorFlow Lite model', magic: 'TFL3', offset: 4, remedy: 'Convert the model with tf2onnx.' },
  {
    name: "a model in ONNX Runtime's own format (.ort)",
    magic: 'ORTM',
    offset: 4,
    remedy: 'Pass the .onnx file that it was made from.',
  },
  {
    name: 'a Git LFS pointer',
    magic: 'version https://git-lfs',
    remedy: "Run 'git lfs pull' in the checkout that the file comes from.",
  },
  { name: 'a web page', magic: '<', remedy: 'Download the file itself instead of the page about it.' },
  { name: 'JSON', magic: '{', remedy: pickAnother },
]

function formatOf(bytes: Uint8Array): FileFormat | undefined {
  return otherFormats.find(({ magic, offset = 0 }) => {
    const codes = typeof magic === 'string' ? [...magic].map((letter) => letter.charCodeAt(0)) : magic
    return codes.every((code, index) => bytes[offset + index] === code)
  })
}
