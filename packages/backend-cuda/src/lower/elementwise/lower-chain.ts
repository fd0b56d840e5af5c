import { sizeOf } from '@lowlat/core'
import type { Node, Value } from '@lowlat/onnx'
import { type Compute, elementwise as elementwiseKernel, fitsElementwise } from '../../kernels/elementwise.ts'
import { operations } from '../../kernels/elementwise-program.ts'
import { rowMajorStrides, type View } from '../../program/view.ts'
import type { Facts } from '../facts.ts'
import { axisOrder } from '../layout.ts'
import type { Lowering } from '../lowering.ts'
import { outputOf } from '../nodes.ts'
import { isInjective } from '../views.ts'
import { ProgramBuilder, type Term } from './builder.ts'
import type { Elementwise } from './elementwise.ts'
import { canStore } from './storage.ts'

/** Constants up to this size are read in float32 whatever the precision: channels' scales, not tensors. */
const maxExactBytes = 1 << 16

/** An element-wise node with how it is computed. */
export interface ElementNode {
  readonly node: Node
  readonly elementwise: Elementwise
}

interface Built {
  readonly builder: ProgramBuilder
  readonly result: Term
  /** What values may be held in; none where the nodes do not agree. */
  readonly computes: readonly Compute[]
}

/** @param nodes element-wise ones, producers first; the result is that of the last one. */
function build(nodes: readonly ElementNode[], facts: Facts): Built {
  const builder = new ProgramBuilder(facts)
  let computes: readonly Compute[] = ['float32', 'int64', 'float64']
  let result: Term | undefined
  for (const { node, elementwise } of nodes) {
    const own = elementwise.computes(node, facts, (value) => builder.isInner(value))
    computes = computes.filter((compute) => own.includes(compute))
    result = elementwise.build(node, builder)
    builder.define(node.outputs[0]!, result)
  }
  const used = builder.instructions().map(({ operation }) => operations[operation].types)
  computes = computes.filter((compute) => used.every((types) => types.includes(compute)))
  return { builder, result: result!, computes }
}

/** Whether the kernel's program holds all of these nodes, whatever their layout. */
export function fitsOneKernel(nodes: readonly ElementNode[], facts: Facts): boolean {
  const { builder, result, computes } = build(nodes, facts)
  const [compute] = computes
  const output = outputOf(nodes.at(-1)!.node)
  const inputs = builder.reads.map(({ value, arrange }) => arrange(plainView(value, facts)))
  if (compute === undefined || ![...inputs, plainView(output, facts)].every(({ dtype }) => canStore(dtype)))
    return false
  return fitsElementwise({
    inputs,
    outputs: [plainView(output, facts)],
    program: builder.instructions(),
    results: [builder.encode(result)],
    compute,
  })
}

/** A row-major view that only says how much there is. */
function plainView(value: Value, facts: Facts): View {
  const { dtype, shape } = facts.type(value)
  const storage = facts.storageFor(dtype)
  const buffer = { kind: 'temporary', name: '', sizeBytes: 0 } as const
  return { buffer, dtype: storage, shape, strides: rowMajorStrides(shape), offset: 0 }
}

/** Emits one kernel for a chain of element-wise nodes. */
export function lowerChain(nodes: readonly ElementNode[], context: Lowering): void {
  const { facts } = context
  const output = outputOf(nodes.at(-1)!.node)
  const { builder, result, computes } = build(nodes, facts)
  const inputs = builder.reads.map(({ value, arrange }) => arrange(readable(value, context)))
  const place = context.destinationFor(output, {
    layout: layoutOf(inputs, facts.shape(output)),
    accepts: (view) => canStore(view.dtype) && isInjective(view),
  })
  const program = builder.instructions()
  const args = { outputs: [place], program, results: [builder.encode(result)], compute: computes[0]! }
  // Strides that do not join axes can be too many for the kernel, where dense tensors are not.
  const fitting = fitsElementwise({ ...args, inputs }) ? inputs : inputs.map((view) => context.contiguous(view))
  context.emit(elementwiseKernel({ ...args, inputs: fitting }))
  context.define(output, place)
}

function readable(value: Value, context: Lowering): View {
  const { facts } = context
  const { dtype, shape } = facts.type(value)
  const exact = dtype === 'float32' && facts.isConstant(value) && sizeOf(shape) * 4 <= maxExactBytes
  return context.viewOf(value, exact ? { dtype } : {})
}

/** As the largest operand lies, computed ones before inputs of the model: those may be channels-last. */
function layoutOf(inputs: readonly View[], shape: readonly number[]): readonly number[] | 'row-major' {
  const whole = inputs.filter((view) => isInjective(view) && sizeOf(view.shape) === sizeOf(shape))
  const like = whole.find(({ buffer }) => buffer.kind === 'temporary') ?? whole[0]
  if (!like) return 'row-major'
  const missing = shape.length - like.shape.length
  const leading = Array.from({ length: missing }, (_, axis) => axis)
  return [...leading, ...axisOrder(like).map((axis) => axis + missing)]
}
