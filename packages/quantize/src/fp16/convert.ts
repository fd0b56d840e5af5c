import { booleanRule, checkArgument, checkOptions, invalidConfig, type RulesFor } from '@lowlat/core'
import { type Float16Model, float16FromGraph, type Graph, type Float16Options as GraphOptions } from '@lowlat/onnx'
import { graphRule, nameListRule } from '../argument-rules.ts'
import { CalibrationTable } from '../calibrate/table.ts'

export interface Float16Options extends Omit<GraphOptions, 'ranges'> {
  /** What calibration measured: values that come near float16's limit keep what computes and reads them in float32. */
  readonly ranges?: CalibrationTable
}

const rules: RulesFor<Float16Options> = {
  keepIo: booleanRule,
  keepFloat32: nameListRule,
  convert: nameListRule,
  ranges: { expected: 'a CalibrationTable', accepts: (value) => value instanceof CalibrationTable },
}

/**
 * A model whose weights and activations are float16 where that is safe: {@link float16FromGraph}, with what calibration
 * measured taken into account. A partly quantized model gets float16 in its float part, and its Q/DQ pairs with their
 * scales stay.
 * @throws InputError INVALID_ARGUMENT for what is no graph, and for names in `keepFloat32` that the model does not have;
 * ConfigError CONFIG_INVALID; ModelError MODEL_INVALID.
 */
export function convertToFloat16(source: Graph, options: Float16Options = {}): Float16Model {
  checkArgument('source', source, graphRule)
  checkOptions('options of convertToFloat16', options, rules, invalidConfig)
  const { ranges, ...rest } = options
  return float16FromGraph(source, { ...rest, ...(ranges && { ranges: ranges.histograms }) })
}
