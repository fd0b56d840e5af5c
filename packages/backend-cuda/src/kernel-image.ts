import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BackendError, messageOf, stringKnob } from '@lowlat/core'

const kernelsKnob = stringKnob({
  name: 'LOWLAT_CUDA_KERNELS',
  description: 'CUDA backend: file with the compiled kernels.',
  default: '',
  defaultText: 'prebuilt/kernels.fatbin in the package',
})

export interface KernelImage {
  readonly bytes: Uint8Array
  /** Of the bytes: what was packed for one image does not fit another. */
  readonly hash: string
}

const images = new Map<string, { readonly stamp: string; readonly image: KernelImage }>()

/** The compiled kernels; read once. @throws BackendError BACKEND_UNAVAILABLE when they are not there. */
export function kernelImage(): KernelImage {
  const path = kernelsKnob.read() || fileURLToPath(new URL('../prebuilt/kernels.fatbin', import.meta.url))
  try {
    const { size, mtimeMs } = statSync(path)
    const stamp = `${size} ${mtimeMs}`
    const known = images.get(path)
    if (known?.stamp === stamp) return known.image
    const file = readFileSync(path)
    const hash = createHash('sha256').update(file).digest('hex').slice(0, 32)
    // PTX is a text that the driver reads to its end.
    const bytes = new Uint8Array(file.byteLength + 1)
    bytes.set(file)
    images.set(path, { stamp, image: { bytes, hash } })
    return { bytes, hash }
  } catch (cause) {
    throw new BackendError('BACKEND_UNAVAILABLE', {
      message: `The compiled kernels of the CUDA backend cannot be read: ${messageOf(cause)}.`,
      remedy:
        'Install @lowlat/backend-cuda again; in a checkout, build them where nvcc is installed: npx pnpm@10 build.',
      received: path,
      cause,
    })
  }
}
