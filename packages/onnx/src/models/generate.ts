import { checkArgument, checkOptions, type Rule, type RulesFor } from '@lowlat/core'
import { GraphBuilder } from '../build/graph-builder.ts'
import { seedRule } from '../build/random.ts'
import type { Graph } from '../graph/graph.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { bertBase } from './bert-base.ts'
import type { BatchNorm } from './layers.ts'
import { mobilenetV2 } from './mobilenet-v2.ts'
import { resnet50 } from './resnet50.ts'
import { tiny } from './tiny.ts'
import { vitS16 } from './vit-s16.ts'

export interface GenerateOptions {
  /** Seed of the weights; default 1. The same seed gives the same file on every machine. */
  readonly seed?: number
  /** Default 'folded', as exported evaluation models have it. Both compute the same function. */
  readonly batchNorm?: BatchNorm
}

const architectures = {
  resnet50,
  mobilenet_v2: mobilenetV2,
  vit_s16: vitS16,
  bert_base: bertBase,
  tiny,
} satisfies Record<string, (g: GraphBuilder, batchNorm: BatchNorm) => void>

export type ModelName = keyof typeof architectures

/** Names of the models that can be generated. */
export const modelNames: readonly ModelName[] = Object.freeze(Object.keys(architectures) as ModelName[])

const nameRule = oneOf(modelNames)
const generateRules: RulesFor<GenerateOptions> = { seed: seedRule, batchNorm: oneOf(['folded', 'separate']) }

function oneOf(names: readonly unknown[]): Rule {
  return {
    expected: `one of ${names.map((name) => `'${name}'`).join(', ')}`,
    accepts: (value) => names.includes(value),
  }
}

/**
 * A well-known network with random weights, opset 17, any batch size. **It is for measuring latency: it has learned
 * nothing, and its accuracy is meaningless.** Activations keep a sane scale, as in a trained network.
 * @throws InputError INVALID_ARGUMENT for an unknown name, and for options that are unknown or out of range.
 */
export function generateGraph(name: ModelName, options: GenerateOptions = {}): Graph {
  checkArgument('name', name, nameRule)
  checkOptions('generate options', options, generateRules)
  const { seed = 1, batchNorm = 'folded' } = options
  const weights = `random (seed ${seed}); for measuring latency, accuracy is meaningless`
  const builder = new GraphBuilder(name, { seed, metadata: { weights } })
  architectures[name](builder, batchNorm)
  return builder.graph
}

/** As {@link generateGraph}, as the bytes of an ONNX file. Random weights: **for latency only.** */
export function generateModel(name: ModelName, options: GenerateOptions = {}): Uint8Array<ArrayBuffer> {
  return onnxFromGraph(generateGraph(name, options))
}
