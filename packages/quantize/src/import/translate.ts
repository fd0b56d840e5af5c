import { booleanRule, checkArgument, checkOptions, invalidConfig, ModelError, type RulesFor } from '@lowlat/core'
import { cloneGraph, type Graph, inferTypes, runPasses } from '@lowlat/onnx'
import { graphRule, targetRule } from '../argument-rules.ts'
import type { Target } from '../targets/recipe.ts'
import { storeBiasesAsFloats, storeBiasesAsIntegers } from './biases.ts'
import { placeRectifiers } from './place-rectifiers.ts'
import type { Rounding } from './rounding.ts'
import { makeActivationsUnsigned, makeWeightsSigned } from './shift-types.ts'
import { makeSymmetric } from './symmetric.ts'

export interface TranslateOptions {
  /**
   * Round what the target cannot represent to the nearest that it can, and report it, instead of failing. Default false.
   * Biases for the CPU are rounded and reported either way.
   */
  readonly allowRounding?: boolean
}

export interface Translation {
  /** A new graph, which shares the memory of what did not change. */
  readonly graph: Graph
  /** What is no longer the same: activations, weights and biases in the order of the graph; empty for an exact translation. */
  readonly rounded: readonly Rounding[]
}

/** Shared with {@link importQuantized}, which takes the same. */
export const translateRules: RulesFor<TranslateOptions> = { allowRounding: booleanRule }

/**
 * A quantized model, as {@link importQuantized} gives it, in the number formats of a target.
 *
 * - cpu: activations become uint8 and weights int8, and rectifiers clip integers, all exactly. Biases become int32 of
 *   scale input * weight, without which ONNX Runtime does not compute a layer with integers: those that are no multiples of
 *   it are rounded, by half of it at most, and reported.
 * - cuda, trt: activations and weights become int8 with zero point 0, biases float. Exact where the zero point is in the
 *   middle (128 of uint8, 0 of int8) and, for weights, in every channel whose values lie within 127 steps of 0.
 * @throws ModelError QUANTIZATION_INEXACT where the target cannot represent the model; MODEL_UNSUPPORTED where integers
 * that would have to change are inputs or outputs of the model, or are computed with; InputError INVALID_ARGUMENT for what
 * is no graph or no target; ConfigError CONFIG_INVALID for the options.
 */
export function translate(source: Graph, target: Target, options: TranslateOptions = {}): Translation {
  checkArgument('source', source, graphRule)
  checkArgument('target', target, targetRule)
  checkOptions('options of translate', options, translateRules, invalidConfig)
  const { allowRounding = false } = options
  const graph = cloneGraph(source)
  let rounded: readonly Rounding[] = []
  if (target === 'cpu') {
    makeActivationsUnsigned(graph)
    makeWeightsSigned(graph)
    placeRectifiers(graph)
    rounded = storeBiasesAsIntegers(graph)
  } else {
    storeBiasesAsFloats(graph)
    rounded = makeSymmetric(graph)
    if (rounded.length > 0 && !allowRounding) throw inexact(target, rounded)
  }
  runPasses(graph)
  inferTypes(graph)
  return { graph, rounded }
}

const NAMED = 5

function inexact(target: Target, rounded: readonly Rounding[]): ModelError {
  const named = rounded.slice(0, NAMED).map(({ kind, value, from }) => `${kind} '${value}' (${from})`)
  const more = rounded.length > NAMED ? ` and ${rounded.length - NAMED} more` : ''
  return new ModelError('QUANTIZATION_INEXACT', {
    message: `Expected integers that ${target} can represent (int8 with zero point 0), got ${named.join(', ')}${more}.`,
    remedy: `Quantize the float model for ${target}, train with symmetric quantization, or pass allowRounding: true and compare the accuracy.`,
    expected: 'int8, zero point 0',
    details: { target, values: rounded },
  })
}
