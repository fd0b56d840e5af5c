import { checkArgument, checkOptions, invalidConfig, ModelError, type RulesFor } from '@lowlat/core'
import { cloneGraph, type Graph, inferTypes, runPasses } from '@lowlat/onnx'
import { graphRule, targetRule } from '../argument-rules.ts'
import type { Target } from '../targets/recipe.ts'
import { encloseMovements } from './enclose-movements.ts'
import { expandOperators } from './expand-operators.ts'
import { foldBatchNormalization } from './fold-batch-normalization.ts'
import { normalizeParameters } from './normalize-parameters.ts'
import { rearrangeWeights } from './rearrange-weights.ts'
import { coverageOf, type ImportReport, styleOf } from './report.ts'
import { type TranslateOptions, translate, translateRules } from './translate.ts'

export interface ImportOptions extends TranslateOptions {
  /** Default 'cpu'. */
  readonly target?: Target
}

export interface Imported {
  readonly graph: Graph
  readonly report: ImportReport
}

const rules: RulesFor<ImportOptions> = { ...translateRules, target: targetRule }

/**
 * A model that was quantized elsewhere, in the form that {@link insertQdq} gives: QuantizeLinear and DequantizeLinear
 * behind activations, weights as integers behind DequantizeLinear, in the number formats of the target
 * (see {@link translate}). The same numbers come out but for what `report.rounded` names: for the CPU, biases.
 * @throws ModelError MODEL_UNSUPPORTED for a model that is not quantized, QUANTIZATION_INEXACT, MODEL_INVALID;
 * InputError INVALID_ARGUMENT for what is no graph; ConfigError CONFIG_INVALID for the options.
 */
export function importQuantized(source: Graph, options: ImportOptions = {}): Imported {
  checkArgument('source', source, graphRule)
  checkOptions('options of importQuantized', options, rules, invalidConfig)
  const { target = 'cpu', ...rest } = options
  const style = styleOf(source)
  const graph = cloneGraph(source)
  runPasses(graph)
  expandOperators(graph)
  normalizeParameters(graph)
  encloseMovements(graph)
  runPasses(graph)
  rearrangeWeights(graph)
  foldBatchNormalization(graph)
  inferTypes(graph)
  const coverage = coverageOf(graph)
  if (coverage.activationTypes.length + coverage.weightTypes.length + coverage.otherOperators.length === 0) {
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: 'Expected a quantized model, got one without quantized weights and activations.',
      remedy: 'Quantize it: quantize(model, { samples, target }).',
    })
  }
  const { producerName, producerVersion } = source.model
  const producer = `${producerName} ${producerVersion}`.trim()
  const { graph: translated, rounded } = translate(graph, target, rest)
  return { graph: translated, report: { producer, style, ...coverage, rounded } }
}
