import type { Node, Value } from '@lowlat/onnx'
import { type NormalizeArgs, normalize } from '../../kernels/normalize.ts'
import type { View } from '../../program/view.ts'
import { halfOrSingle, isHalfOrSingle } from '../floats.ts'
import { axisOrder } from '../layout.ts'
import type { Lowering } from '../lowering.ts'
import { axisFrom, inputOf, isRead, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { broadcastView, reshapeView } from '../views.ts'

/** Scales and biases stay in float32 whatever the precision. */
function parameter(value: Value | undefined, context: Lowering): View | undefined {
  if (!value) return undefined
  const isExact = context.facts.isConstant(value) && context.facts.dtype(value) === 'float32'
  return context.viewOf(value, isExact ? { dtype: 'float32' } : {})
}

function writeNormalized(node: Node, context: Lowering, args: Omit<NormalizeArgs, 'output'>): void {
  const output = outputOf(node)
  const place = context.destinationFor(output, {
    layout: axisOrder(args.input),
    accepts: ({ dtype }) => isHalfOrSingle(dtype),
  })
  context.emit(normalize({ ...args, output: place }))
  context.define(output, place)
}

function trailingAxes(first: number, rank: number): number[] {
  return Array.from({ length: rank - first }, (_, index) => first + index)
}

function layerRule(kind: 'layer' | 'rms'): Rule {
  return {
    supports(node, facts) {
      if (node.outputs.slice(1).some(isRead)) return 'gives statistics'
      return halfOrSingle(node, facts)
    },
    lower(node, context) {
      const input = context.viewOf(inputOf(node))
      const rank = input.shape.length
      const axes = trailingAxes(axisFrom(node.int('axis', -1), rank), rank)
      const [scale, bias] = [parameter(node.inputs[1], context), parameter(node.inputs[2], context)]
      writeNormalized(node, context, { input, axes, scale, bias, epsilon: node.float('epsilon', 1e-5), kind })
    },
  }
}

/** Of ONNX Runtime: also adds a residual and a bias before, and may give the sum. */
const skipLayer: Rule = {
  supports(node, facts) {
    if (node.outputs.slice(1, 3).some(isRead)) return 'gives statistics'
    if (node.inputs[4]) return 'adds a bias'
    return halfOrSingle(node, facts)
  },
  lower(node, context) {
    const input = context.viewOf(inputOf(node))
    const residual = context.viewOf(inputOf(node, 1))
    const [scale, bias] = [parameter(node.inputs[2], context), parameter(node.inputs[3], context)]
    const total = node.outputs[3]
    const sum = isRead(total) ? context.destinationFor(total, { layout: axisOrder(input) }) : undefined
    const axes = [input.shape.length - 1]
    writeNormalized(node, context, { input, axes, scale, bias, epsilon: node.float('epsilon', 1e-12), residual, sum })
    if (isRead(total) && sum) context.define(total, sum)
  },
}

/** Per channel of [N, C, spatial...]. */
function perChannel(view: View | undefined, rank: number): View | undefined {
  return view && reshapeView(view, [view.shape[0]!, ...new Array<number>(rank - 2).fill(1)])!
}

const instance: Rule = {
  supports: halfOrSingle,
  lower(node, context) {
    const input = context.viewOf(inputOf(node))
    const rank = input.shape.length
    const scale = perChannel(parameter(node.inputs[1], context), rank)
    const bias = perChannel(parameter(node.inputs[2], context), rank)
    const epsilon = node.float('epsilon', 1e-5)
    writeNormalized(node, context, { input, axes: trailingAxes(2, rank), scale, bias, epsilon })
  },
}

/** [N, groups, C / groups, spatial...] is a view of any layout. Before opset 21 scales were per group. */
const group: Rule = {
  supports: halfOrSingle,
  lower(node, context) {
    const output = outputOf(node)
    const groups = node.int('num_groups')
    const input = context.viewOf(inputOf(node))
    const [images, channels, ...spatial] = input.shape as [number, number, ...number[]]
    const shape = [images, groups, channels / groups, ...spatial]
    const ones = spatial.map(() => 1)
    const perGroup = (index: number) => {
      const view = parameter(node.inputs[index], context)!
      if (view.shape[0] === channels) return reshapeView(view, [groups, channels / groups, ...ones])!
      return broadcastView(reshapeView(view, [groups, 1, ...ones])!, [groups, channels / groups, ...ones])
    }
    const place = context.destinationFor(output, {
      layout: axisOrder(input),
      accepts: (view) => isHalfOrSingle(view.dtype) && reshapeView(view, shape) !== undefined,
    })
    context.emit(
      normalize({
        input: reshapeView(input, shape)!,
        output: reshapeView(place, shape)!,
        axes: trailingAxes(2, shape.length),
        scale: perGroup(1),
        bias: perGroup(2),
        epsilon: node.float('epsilon', 1e-5),
      }),
    )
    context.define(output, place)
  },
}

export const normalizeRules: Rules = {
  LayerNormalization: layerRule('layer'),
  RMSNormalization: layerRule('rms'),
  'com.microsoft:SkipLayerNormalization': skipLayer,
  InstanceNormalization: instance,
  GroupNormalization: group,
}
