import { fileURLToPath } from 'node:url'
import { createBackend } from '@lowlat/backend-cpu'
import { Tensor } from '@lowlat/core'
import { cloneGraph, createRandom, exposeValues, type Graph, graphFromFile, inferTypes } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { importQuantized } from './import-quantized.ts'

const plain = new PlainQuantizer(createBackend())
const shape = [2, 3, 8, 8]
const pixels = createRandom(5).normals(new Float32Array(2 * 3 * 64), 1)
const image = { image: new Tensor('float32', shape, pixels) }

/** A model that a tool wrote; see testing/exports/export.py. */
const exported = (name: string): Promise<Graph> =>
  graphFromFile(fileURLToPath(new URL(`../testing/exports/${name}.onnx`, import.meta.url)))

async function scoresOf(graph: Graph): Promise<Float32Array> {
  await using session = await plain.open(graph)
  return (await session.run(image))[graph.outputs[0]!.name]!.toFloat32()
}

/** Node by node as the file says it: what everybody can see, no optimisation takes away. */
function literally(graph: Graph): Promise<Float32Array> {
  const typed = cloneGraph(graph)
  inferTypes(typed)
  const values = [...typed.values()].filter(({ producer, elementType }) => producer && elementType === 'float32')
  return scoresOf(
    exposeValues(
      typed,
      values.map(({ name }) => name),
    ),
  )
}

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
const between = (a: Float32Array, b: Float32Array) => largest(a.map((value, i) => value - b[i]!))

describe('models as their tools export them', () => {
  it.each([
    { name: 'fx-ptq', style: 'integer-weights', activation: 'uint8', convolutions: 4, perChannel: 0, biases: 0 },
    { name: 'fx-qat', style: 'float-weights', activation: 'uint8', convolutions: 4, perChannel: 1, biases: 5 },
    { name: 'pt2e', style: 'integer-weights', activation: 'uint8', convolutions: 1, perChannel: 1, biases: 2 },
    { name: 'ort-qdq-s8s8', style: 'integer-weights', activation: 'int8', convolutions: 4, perChannel: 1, biases: 0 },
    {
      name: 'ort-qoperator',
      style: 'integer-operators',
      activation: 'uint8',
      convolutions: 4,
      perChannel: 1,
      biases: 0,
    },
  ])('$name computes the same, with every layer on integers', async ({ name, convolutions, ...expected }) => {
    const source = await exported(name)
    const { graph, report } = importQuantized(source)
    const { style, activation, perChannel, biases } = expected
    expect(report).toMatchObject({ style, floatLayers: [], otherOperators: [], perChannel })
    // Those that the file has as floats.
    expect(report.rounded.map(({ kind }) => kind)).toEqual(new Array(biases).fill('bias'))
    for (const { worstError, step } of report.rounded) expect(worstError).toBeLessThan(0.01 * step!)
    expect(report.layers).toBe(convolutions + 1)
    expect(report.activationTypes[0]).toContain(activation)
    if (name.startsWith('ort')) expect(report.producer).toContain('onnx.quantize')
    else expect(report.producer).toContain('pytorch 2.13.0')

    const scores = await literally(source)
    const size = largest(scores)
    expect(size).toBeGreaterThan(0.1)
    expect(between(scores, await literally(graph))).toBeLessThan(0.002 * size)
    // Integer kernels round sums that lie between two steps the other way.
    expect(between(scores, await scoresOf(graph))).toBeLessThan(0.03 * size)

    const operators = await plain.operatorsRun(graph, image)
    expect(operators.get('QLinearConv')).toBe(convolutions)
    expect(operators.get('QGemm')).toBe(1)
    const float = ['Conv', 'FusedConv', 'Gemm', 'MatMul', 'Add', 'Relu', 'MaxPool', 'BatchNormalization', 'Div']
    expect(float.filter((operator) => operators.has(operator))).toEqual([])
  })

  it('leaves what training divides by and normalises with in scales and biases', async () => {
    const source = await exported('fx-qat')
    const operatorsOf = (graph: Graph) => new Set(graph.nodes.map(({ opType }) => opType))
    expect(operatorsOf(source)).toEqual(new Set([...operatorsOf(source), 'Div', 'BatchNormalization']))
    const { graph } = importQuantized(source)
    for (const operator of ['Div', 'BatchNormalization']) expect(operatorsOf(graph)).not.toContain(operator)
  })

  it('says what a symmetric target cannot represent, and rounds it when asked to', async () => {
    const source = await exported('ort-qdq-s8s8')
    const attempt = () => importQuantized(source, { target: 'trt' })
    // The tool's int8 has a zero point at its end behind rectifiers.
    expect(attempt).toThrow(/int8, zero point -128.*allowRounding/)
    const { graph, report } = importQuantized(source, { target: 'trt', allowRounding: true })
    expect(report.rounded.every(({ kind }) => kind === 'activation')).toBe(true)
    const scores = await literally(source)
    expect(between(scores, await literally(graph))).toBeLessThan(0.1 * largest(scores))
  })
})
