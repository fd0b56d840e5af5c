import type { DType } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'
import { type ResizeArgs, resize } from '../../kernels/resize.ts'
import { type ResizeAxisArgs, resizeTaps } from '../../kernels/resize-taps.ts'
import { bytesOf } from '../constant-bytes.ts'
import type { Facts } from '../facts.ts'
import { axisOrder } from '../layout.ts'
import type { Lowering } from '../lowering.ts'
import { axisFrom, inputOf, needsKnown, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'

const resized: ReadonlySet<DType> = new Set<DType>(['float32', 'float16', 'int8', 'uint8'])

/** Scale of every axis: given, or what the sizes come to. Undefined where it depends on data. */
type ScalesOf = (node: Node, facts: Facts) => readonly number[] | undefined

/** Axes in the order in which scales, sizes and regions list them. */
function listedAxes(node: Node, facts: Facts): readonly number[] {
  const { length } = facts.shape(inputOf(node))
  const axes = node.ints('axes', [...new Array(length).keys()])
  return axes.map((axis) => axisFrom(axis, length))
}

/** Opset 11 and later have a region before the scales; empty inputs count as left out. */
const resizeScales: ScalesOf = (node, facts) => {
  const [input, output] = [facts.shape(inputOf(node)), facts.shape(outputOf(node))]
  const fromSizes = output.map((size, axis) => size / input[axis]!)
  const given = node.inputs[facts.opset >= 11 ? 2 : 1]
  if (given && facts.shape(given)[0] !== 0) {
    const scales = facts.numbers(given)
    const listed = listedAxes(node, facts)
    return scales && input.map((_, axis) => (listed.includes(axis) ? scales[listed.indexOf(axis)]! : 1))
  }
  if (node.string('keep_aspect_ratio_policy', 'stretch') === 'stretch') return fromSizes
  // Of the axes that are listed, all have the smallest or the largest of their scales.
  const listed = listedAxes(node, facts)
  const sizes = facts.numbers(node.inputs[3])
  const ratios = sizes?.map((size, index) => size / input[listed[index]!]!)
  const policy = node.string('keep_aspect_ratio_policy') === 'not_larger' ? Math.min : Math.max
  return ratios && input.map((_, axis) => (listed.includes(axis) ? policy(...ratios) : 1))
}

/** Before opset 9 scales were an attribute. */
const upsampleScales: ScalesOf = (node, facts) =>
  node.inputs[1] ? facts.numbers(node.inputs[1]) : node.floats('scales')

/** Start and end per axis, for tf_crop_and_resize. */
function regionOf(node: Node, facts: Facts): readonly (readonly [number, number])[] | undefined {
  const values = facts.numbers(node.inputs[1])
  const listed = listedAxes(node, facts)
  if (!values) return undefined
  return facts.shape(inputOf(node)).map((_, axis) => {
    const index = listed.indexOf(axis)
    return index < 0 ? [0, 1] : [values[index]!, values[index + listed.length]!]
  })
}

type Method = Omit<ResizeAxisArgs, 'inputSize' | 'outputSize' | 'scale' | 'region'>

const resizeMethod = (node: Node, facts: Facts): Method => ({
  mode: node.string('mode', 'nearest') as Method['mode'],
  coordinates: node.string(
    'coordinate_transformation_mode',
    facts.opset >= 11 ? 'half_pixel' : 'asymmetric',
  ) as Method['coordinates'],
  nearestMode: node.string('nearest_mode', facts.opset >= 11 ? 'round_prefer_floor' : 'floor') as NonNullable<
    Method['nearestMode']
  >,
  cubicCoefficient: node.float('cubic_coeff_a', -0.75),
  excludeOutside: node.int('exclude_outside', 0) === 1,
  antialias: node.int('antialias', 0) === 1,
})

const upsampleMethod = (node: Node): Method => {
  const mode = node.string('mode', 'nearest')
  return { mode: mode === 'nearest' ? 'nearest' : 'linear', coordinates: 'asymmetric', nearestMode: 'floor' }
}

const known: Readonly<Record<'mode' | 'coordinates', ReadonlySet<string>>> = {
  mode: new Set<ResizeAxisArgs['mode']>(['nearest', 'linear', 'cubic']),
  coordinates: new Set<ResizeAxisArgs['coordinates']>([
    'half_pixel',
    'half_pixel_symmetric',
    'pytorch_half_pixel',
    'align_corners',
    'asymmetric',
    'tf_half_pixel_for_nn',
    'tf_crop_and_resize',
  ]),
}

/** Tables of taps go up to this size. */
const maxTaps = 1 << 14

function axesToResize(node: Node, facts: Facts, scalesOf: ScalesOf, method: Method): ResizeAxisArgs[] | undefined {
  const scales = scalesOf(node, facts)
  const region = method.coordinates === 'tf_crop_and_resize' ? regionOf(node, facts) : undefined
  if (!scales || (method.coordinates === 'tf_crop_and_resize' && !region)) return undefined
  const output = facts.shape(outputOf(node))
  return facts.shape(inputOf(node)).map((inputSize, axis) => ({
    ...method,
    inputSize,
    outputSize: output[axis]!,
    scale: scales[axis]!,
    ...(region && { region: region[axis]! }),
  }))
}

function isResized({ inputSize, outputSize, scale, region }: ResizeAxisArgs): boolean {
  return inputSize !== outputSize || scale !== 1 || (region !== undefined && (region[0] !== 0 || region[1] !== 1))
}

function resizeRule(scalesOf: ScalesOf, methodOf: (node: Node, facts: Facts) => Method): Rule {
  return {
    supports(node, facts) {
      const dtype = facts.dtype(inputOf(node))
      if (!resized.has(dtype)) return `has no kernel for ${dtype}`
      const method = methodOf(node, facts)
      if (!known.mode.has(method.mode) || !known.coordinates.has(method.coordinates)) {
        return `has no kernel for ${method.mode} with ${method.coordinates}`
      }
      if (dtype.endsWith('int8') && method.mode !== 'nearest') return `interpolates ${dtype}`
      const axes = axesToResize(node, facts, scalesOf, method)
      if (!axes) return needsKnown('scales or sizes')
      const changed = axes.filter(isResized)
      if (changed.length > 3) return 'resizes more than three axes'
      const tables = changed.map((axis) => resizeTaps(axis).indices.length)
      return Math.max(0, ...tables) > maxTaps ? 'has too many taps' : undefined
    },
    lower(node, context) {
      const { facts } = context
      const output = outputOf(node)
      const input = context.viewOf(inputOf(node))
      const all = axesToResize(node, facts, scalesOf, methodOf(node, facts))!
      const axes = all.flatMap((axis, index) => (isResized(axis) ? [tableOf(axis, index, context)] : []))
      if (axes.length === 0) {
        context.define(output, input)
        return
      }
      const place = context.destinationFor(output, {
        dtype: facts.storageOf(output),
        layout: axisOrder(input),
        accepts: ({ dtype }) => dtype === 'float32' || dtype === 'float16' || dtype === input.dtype,
      })
      const extrapolationValue = node.float('extrapolation_value', 0)
      context.emit(resize({ input, output: place, axes, extrapolationValue }))
      context.define(output, place)
    },
  }
}

function tableOf(args: ResizeAxisArgs, axis: number, context: Lowering): ResizeArgs['axes'][number] {
  const { taps, indices, weights } = resizeTaps(args)
  const shape = [args.outputSize, taps]
  return {
    axis,
    indices: context.table('int32', shape, bytesOf(indices)),
    weights: context.table('float32', shape, bytesOf(weights)),
  }
}

export const resizeRules: Rules = {
  Resize: resizeRule(resizeScales, resizeMethod),
  Upsample: resizeRule(upsampleScales, upsampleMethod),
}
