import type { GraphBuilder } from '../build/graph-builder.ts'
import type { Value } from '../graph/value.ts'
import { type BatchNorm, type ConvOptions, classifier, convBatchNorm } from './layers.ts'

/** Expansion, channels, repeats and first stride of the bottlenecks, after Sandler et al. 2018, table 2. */
const groups = [
  { expansion: 1, outChannels: 16, repeats: 1, stride: 1 },
  { expansion: 6, outChannels: 24, repeats: 2, stride: 2 },
  { expansion: 6, outChannels: 32, repeats: 3, stride: 2 },
  { expansion: 6, outChannels: 64, repeats: 4, stride: 2 },
  { expansion: 6, outChannels: 96, repeats: 3, stride: 1 },
  { expansion: 6, outChannels: 160, repeats: 3, stride: 2 },
  { expansion: 6, outChannels: 320, repeats: 1, stride: 1 },
]
const STEM_CHANNELS = 32
const HEAD_CHANNELS = 1280
/** Only repeats after the first of a group have a residual sum. */
const branchScale = 1 / Math.sqrt(groups.reduce((sum, { repeats }) => sum + repeats - 1, 0))

/** MobileNetV2 of width 1.0: 'input' [batch, 3, 224, 224] -> 'logits' [batch, 1000]. */
export function mobilenetV2(g: GraphBuilder, batchNorm: BatchNorm): void {
  const conv = (name: string, x: Value, options: ConvOptions) => convBatchNorm(g, name, x, options, batchNorm)
  const zero = g.scalar('zero', 'float32', 0)
  const six = g.scalar('six', 'float32', 6)
  const relu6 = (x: Value) => g.op('Clip', [x, zero, six])
  const image = g.input('input', 'float32', ['batch', 3, 224, 224])
  let x = relu6(conv('stem', image, { inChannels: 3, outChannels: STEM_CHANNELS, kernel: 3, stride: 2 }))
  let channels = STEM_CHANNELS

  const bottleneck = (input: Value, expansion: number, outChannels: number, stride: number): Value => {
    const inChannels = channels
    const hidden = inChannels * expansion
    const residual = stride === 1 && inChannels === outChannels
    channels = outChannels
    // The input comes from a linear layer, so that its mean square is not halved.
    const expand = { inChannels, outChannels: hidden, kernel: 1, gain: 1 } as const
    let branch = expansion === 1 ? input : relu6(conv('expand', input, expand))
    branch = relu6(
      conv('depthwise', branch, { inChannels: hidden, outChannels: hidden, kernel: 3, stride, groups: hidden }),
    )
    const scale = residual ? branchScale : 1
    branch = conv('project', branch, { inChannels: hidden, outChannels, kernel: 1, scale })
    return residual ? g.op('Add', [input, branch]) : branch
  }

  for (const [index, { expansion, outChannels, repeats, stride }] of groups.entries()) {
    for (let repeat = 0; repeat < repeats; repeat++) {
      x = g.scope(`group${index + 1}.${repeat}`, () => bottleneck(x, expansion, outChannels, repeat === 0 ? stride : 1))
    }
  }
  x = relu6(conv('head', x, { inChannels: channels, outChannels: HEAD_CHANNELS, kernel: 1, gain: 1 }))
  classifier(g, x, HEAD_CHANNELS, 1000)
}
