import { Tensor } from '@lowlat/core'
import { type Graph, inferTypes, type Node, type Value } from '@lowlat/onnx'

interface Enlargement {
  /** Of the input. */
  readonly size: readonly [channels: number, height: number, width: number]
  readonly factors: readonly [rows: number, columns: number]
}

/**
 * A Resize of integers that repeats each pixel becomes an Expand with the channels last, which is how integer convolutions
 * read and write: the transpositions around it cancel theirs, and whole pixels are copied where ONNX Runtime's Resize
 * looks up each element. Returns the number of changes.
 */
export function repeatPixels(quantized: Graph): number {
  inferTypes(quantized)
  let changes = 0
  for (const node of [...quantized.nodes]) if (replace(node, quantized)) changes++
  return changes
}

/** QuantizeLinear -> DequantizeLinear -> Resize -> QuantizeLinear of the same parameters. */
function replace(resize: Node, graph: Graph): boolean {
  const enlargement = enlargementOf(resize)
  const [use, second] = resize.outputs[0]?.uses ?? []
  if (!enlargement || use?.kind !== 'node' || second || use.node.opType !== 'QuantizeLinear') return false
  const before = resize.inputs[0]!.producer
  const after = use.node
  if (before?.opType !== 'DequantizeLinear') return false
  if ([1, 2].some((index) => before.inputs[index] !== after.inputs[index])) return false
  graph.replaceUses(after.outputs[0]!, repeated(graph, resize, before.inputs[0]!, enlargement))
  return true
}

/** Undefined where pixels are not repeated a known, whole number of times. */
function enlargementOf(node: Node): Enlargement | undefined {
  if (node.opType !== 'Resize' || node.domain !== '' || !takesNearest(node)) return undefined
  const [input, output] = [node.inputs[0]?.shape, node.outputs[0]?.shape]
  if (input?.length !== 4 || output?.length !== 4 || input[1] !== output[1]) return undefined
  const [channels, height, width] = input.slice(1)
  if (typeof channels !== 'number' || typeof height !== 'number' || typeof width !== 'number') return undefined
  const factors = [Number(output[2]) / height, Number(output[3]) / width] as const
  if (!factors.every((factor) => Number.isInteger(factor) && factor >= 1)) return undefined
  // Sizes may be rounded from scales that are no whole numbers, and then other pixels are taken.
  const scales = node.inputs[2] && node.inputs[2].shape?.[0] !== 0 ? node.inputs[2] : undefined
  const given = scales?.initializer?.tensor.toFloat32()
  if (scales && (given?.[2] !== factors[0] || given[3] !== factors[1])) return undefined
  return { size: [channels, height, width], factors }
}

/** Whether an output pixel takes the input pixel that it lies in. */
function takesNearest(resize: Node): boolean {
  if (resize.string('mode', 'nearest') !== 'nearest' || resize.attributes.has('axes')) return false
  if (resize.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch') return false
  const rounding = resize.string('nearest_mode', 'round_prefer_floor')
  const coordinates = resize.string('coordinate_transformation_mode', 'half_pixel')
  if (coordinates === 'asymmetric') return rounding === 'floor'
  return coordinates === 'half_pixel' && rounding.startsWith('round_prefer')
}

/** [N, C, H, W] -> [N, H, 1, W, 1, C] -> [N, H, rows, W, columns, C] -> [N, C, H * rows, W * columns] */
function repeated(graph: Graph, resize: Node, integers: Value, { size, factors }: Enlargement): Value {
  const [channels, height, width] = size
  const [rows, columns] = factors
  const add = (opType: string, inputs: readonly Value[], attributes = {}) => {
    const name = graph.uniqueName(`${resize.name}.${opType}`)
    return graph.addNode({ opType, name, inputs, outputs: [name], attributes }, { before: resize }).outputs[0]!
  }
  const shaped = (opType: string, value: Value, shape: readonly number[]) => {
    const tensor = new Tensor('int64', [shape.length], BigInt64Array.from(shape, BigInt))
    return add(opType, [value, graph.addInitializer(graph.uniqueName(`${resize.name}.shape`), tensor)])
  }
  const last = add('Transpose', [integers], { perm: [0, 2, 3, 1] })
  const apart = shaped('Reshape', last, [0, height, 1, width, 1, channels]) // 0: as many as there are
  const expanded = shaped('Expand', apart, [1, height, rows, width, columns, channels])
  const joined = shaped('Reshape', expanded, [0, height * rows, width * columns, channels])
  return add('Transpose', [joined], { perm: [0, 3, 1, 2] })
}
