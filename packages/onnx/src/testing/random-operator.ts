import { allocate, type DType, type DTypeArray, type Shape, sizeOf, Tensor } from '@lowlat/core'
import { Tensor as OrtTensor } from 'onnxruntime-node'
import { expect } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { createRandom, type Random } from '../build/random.ts'
import type { AttributeInput } from '../graph/attribute-input.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import type { Value } from '../graph/value.ts'
import { inferTypes } from '../infer/infer-types.ts'
import { type OrtFeeds, runModel } from './run-model.ts'

/** One operator with operands and attributes that are drawn at random. */
export class Draw {
  readonly builder: GraphBuilder
  readonly feeds: OrtFeeds = {}
  readonly #random: Random

  constructor(random: Random, opset: number) {
    this.#random = random
    this.builder = new GraphBuilder('draw', { opset })
    this.builder.graph.model.opsetImports.set('com.microsoft', 1)
  }

  integer(lowest: number, highest: number): number {
    return lowest + this.#random.integer(highest - lowest + 1)
  }

  integers(count: number, lowest: number, highest: number): number[] {
    return Array.from({ length: count }, () => this.integer(lowest, highest))
  }

  pick<T>(...choices: readonly T[]): T {
    return choices[this.#random.integer(choices.length)]!
  }

  chance(): boolean {
    return this.#random.integer(2) === 0
  }

  /** Some attributes, or none. */
  maybe(attributes: Record<string, AttributeInput>): Record<string, AttributeInput> {
    return this.chance() ? attributes : {}
  }

  /** An input of zeros and ones. */
  input(dtype: DType, shape: Shape): Value {
    const name = `x${Object.keys(this.feeds).length}`
    const data = allocate(dtype, sizeOf(shape))
    for (let i = 0; i < data.length; i++) data[i] = dtype === 'int64' ? BigInt(this.integer(0, 1)) : this.integer(0, 1)
    this.feeds[name] = new OrtTensor(dtype as 'float32', data as DTypeArray<'float32'>, shape)
    return this.builder.input(name, dtype, shape)
  }

  x(...shape: Shape): Value {
    return this.input('float32', shape)
  }

  sizes(...values: readonly number[]): Value {
    return this.builder.int64('sizes', values)
  }

  scales(...values: readonly number[]): Value {
    return this.builder.constant('scales', new Tensor<DType>('float32', [values.length], Float32Array.from(values)))
  }

  /** A scale or a zero point. */
  scalar(dtype: DType, value: number): Value {
    return this.builder.scalar('scalar', dtype, value)
  }

  node(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, AttributeInput> = {},
    outputs = 1,
  ) {
    this.#add(opType, '', inputs, attributes, outputs)
  }

  contrib(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, AttributeInput> = {},
    outputs = 1,
  ) {
    this.#add(opType, 'com.microsoft', inputs, attributes, outputs)
  }

  #add(
    opType: string,
    domain: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, AttributeInput>,
    outputs: number,
  ) {
    const { graph } = this.builder
    const node = graph.addNode({ opType, domain, name: opType, inputs, attributes, outputs })
    for (const output of node.outputs) graph.addOutput(output!)
  }
}

export interface RandomOperator {
  readonly opset?: number
  /** Whether sizes may stay unknown, because data decide them. */
  readonly open?: boolean
  /** Adds one operator to the draw. */
  readonly draw: (d: Draw) => void
}

/** Strides, dilations and pads of windows that slide over so many axes. */
export const windows = (d: Draw, axes: number): Record<string, AttributeInput> => ({
  ...d.maybe({ strides: d.integers(axes, 1, 3) }),
  ...d.maybe({ dilations: d.integers(axes, 1, 2) }),
  ...d.pick<Record<string, AttributeInput>>(
    {},
    { pads: d.integers(2 * axes, 0, 2) },
    { auto_pad: d.pick('SAME_UPPER', 'SAME_LOWER', 'VALID') },
  ),
})

const draws = 40
/** Draws that ONNX Runtime refuses tell nothing about inference; if those were most of them, all would tell little. */
const enough = draws / 2

/** Infers the types of an operator that is drawn again and again, and compares them with what ONNX Runtime computes. */
export async function expectInferredAsComputed({ opset = 13, open = false, draw }: RandomOperator): Promise<void> {
  const random = createRandom(1)
  const wrong: string[] = []
  let ran = 0
  for (let count = 0; count < draws; count++) {
    const drawn = new Draw(random, opset)
    draw(drawn)
    const bytes = onnxFromGraph(drawn.builder.graph)
    const fetches = await runModel(bytes, drawn.feeds).catch(() => undefined)
    if (!fetches) continue
    ran++
    const graph = graphFromOnnx(bytes)
    const { contradictions } = inferTypes(graph)
    const got = graph.outputs.map(({ elementType, shape }) => `${elementType} [${shape?.map((dim) => dim ?? '?')}]`)
    const want = graph.outputs.map(({ name }) => `${fetches[name]!.type} [${fetches[name]!.dims}]`)
    const right = want.every((text, index) => text === got[index] || (open && isOpen(got[index]!, text)))
    if (right && contradictions.length === 0) continue
    const [node] = graph.nodes
    const attributes = [...node!.attributes].map(([name, { value }]) => `${name}=${value}`)
    const inputs = node!.inputs.map((value) => value && `[${value.shape}]`)
    wrong.push(`(${inputs}) ${attributes}: ${got}, computed ${want} ${contradictions.map(({ message }) => message)}`)
  }
  expect(wrong).toEqual([])
  expect(ran).toBeGreaterThanOrEqual(enough)
}

/** Whether two types differ only where the first one leaves a size open. */
function isOpen(got: string, want: string): boolean {
  const pattern = got.replace(/[[\]]/g, '\\$&').replaceAll('?', '\\d+')
  return new RegExp(`^${pattern}$`).test(want)
}
