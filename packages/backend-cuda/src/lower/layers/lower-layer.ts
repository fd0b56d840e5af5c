import type { Lowering } from '../lowering.ts'
import { lowerConvolution } from './convolution.ts'
import type { Layer } from './layer.ts'
import { lowerProduct } from './product.ts'
import { lowerTransposedConvolution } from './transposed-convolution.ts'

export function lowerLayer(layer: Layer, context: Lowering): void {
  if (layer.node.opType === 'Conv') lowerConvolution(layer, context)
  else if (layer.node.opType === 'ConvTranspose') lowerTransposedConvolution(layer, context)
  else lowerProduct(layer, context)
}
