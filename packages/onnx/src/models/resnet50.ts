import type { GraphBuilder } from '../build/graph-builder.ts'
import type { Value } from '../graph/value.ts'
import { type BatchNorm, type ConvOptions, classifier, convBatchNorm } from './layers.ts'

/** Blocks per stage and their width, after He et al. 2015, table 1. */
const stages = [
  { blocks: 3, width: 64 },
  { blocks: 4, width: 128 },
  { blocks: 6, width: 256 },
  { blocks: 3, width: 512 },
]
const EXPANSION = 4
const branchScale = 1 / Math.sqrt(stages.reduce((sum, { blocks }) => sum + blocks, 0))

/** ResNet-50 v1.5 (the stride is in the 3x3 convolution): 'input' [batch, 3, 224, 224] -> 'logits' [batch, 1000]. */
export function resnet50(g: GraphBuilder, batchNorm: BatchNorm): void {
  const conv = (name: string, x: Value, options: ConvOptions) => convBatchNorm(g, name, x, options, batchNorm)
  const relu = (x: Value) => g.op('Relu', [x])
  const image = g.input('input', 'float32', ['batch', 3, 224, 224])
  let x = relu(conv('conv1', image, { inChannels: 3, outChannels: 64, kernel: 7, stride: 2 }))
  x = g.op('MaxPool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] })
  let channels = 64

  const bottleneck = (input: Value, width: number, stride: number): Value => {
    const inChannels = channels
    channels = width * EXPANSION
    let branch = relu(conv('conv1', input, { inChannels, outChannels: width, kernel: 1 }))
    branch = relu(conv('conv2', branch, { inChannels: width, outChannels: width, kernel: 3, stride }))
    branch = conv('conv3', branch, { inChannels: width, outChannels: channels, kernel: 1, scale: branchScale })
    const shortcut =
      inChannels === channels && stride === 1
        ? input
        : conv('downsample', input, { inChannels, outChannels: channels, kernel: 1, stride })
    return relu(g.op('Add', [branch, shortcut]))
  }

  for (const [stage, { blocks, width }] of stages.entries()) {
    for (let block = 0; block < blocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1
      x = g.scope(`layer${stage + 1}.${block}`, () => bottleneck(x, width, stride))
    }
  }
  classifier(g, x, channels, 1000)
}
