import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, isLowlatError, type Shape, Tensor } from '@lowlat/core'
import { createRandom, Graph, GraphBuilder, type Value, walkNodes } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { CalibrationTable } from '../calibrate/table.ts'
import { OutputError } from '../measure/output-error.ts'
import { Histogram } from '../observe/histogram.ts'
import { conv, gemm, residualNetwork } from '../testing/networks.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { QuantizedBuilder } from '../testing/quantized-models.ts'
import { convertToFloat16, type Float16Options } from './convert.ts'

const plain = new PlainQuantizer(createBackend())
const random = createRandom(9)
const normals = (shape: Shape) =>
  new Tensor('float32', shape, random.normals(new Float32Array(shape.reduce((a, b) => a * b, 1)), 1))
const image: Feeds = { image: normals([2, 3, 8, 8]) }

async function run(graph: Graph, feeds: Feeds) {
  await using session = await plain.open(graph)
  return await session.run(feeds)
}

/** Converts what `build` makes, and expects the same outputs, to float16's precision. */
async function convert(build: (g: GraphBuilder) => void, feeds: Feeds, options: Float16Options = {}) {
  const g = new GraphBuilder('test')
  build(g)
  const { graph, report } = convertToFloat16(g.graph, options)
  const error = new OutputError()
  error.add(await run(g.graph, feeds), await run(graph, feeds))
  expect(error.report.cosine).toBeGreaterThan(0.99999)
  const kept = new Map(report.kept.map(({ opType, reason }) => [opType, reason]))
  return { graph, report, kept, operators: [...walkNodes(graph)].map((node) => node.opType).join(' ') }
}

const typesOf = (graph: Graph) => [...graph.requiredInputs, ...graph.outputs].map((value) => value.elementType)

describe('convertToFloat16', () => {
  it('converts weights and activations between one cast in front and one behind', async () => {
    const source = residualNetwork()
    const { graph, report } = convertToFloat16(source)
    expect(typesOf(graph)).toEqual(['float32', 'float32'])
    expect(graph.outputs.map((value) => value.name)).toEqual(['logits'])
    expect(graph.nodes.filter((node) => node.opType === 'Cast')).toHaveLength(2)
    expect(report.kept).toEqual([])
    expect(new Set(graph.initializers.map((value) => value.initializer!.elementType))).toEqual(new Set(['float16']))
    const error = new OutputError()
    error.add(await run(source, image), await run(graph, image))
    expect(error.report.cosine).toBeGreaterThan(0.99999)
    expect(source.initializers.every((value) => value.initializer!.elementType === 'float32')).toBe(true)
  })

  it('changes the types of inputs and outputs when asked to', async () => {
    const source = residualNetwork()
    const { graph } = convertToFloat16(source, { keepIo: false })
    expect(typesOf(graph)).toEqual(['float16', 'float16'])
    expect(graph.nodes.filter((node) => node.opType === 'Cast')).toEqual([])
    const half = { image: Tensor.float16([2, 3, 8, 8], image.image!.toFloat32()) }
    const error = new OutputError()
    error.add(await run(source, image), await run(graph, half))
    expect(error.report.cosine).toBeGreaterThan(0.99999)
  })

  it('keeps operators that may overflow, and what lies between them, without casts in there', async () => {
    const norm = (g: GraphBuilder, x: Value) => {
      const axes = { axes: [-1] }
      const centred = g.op('Sub', [x, g.op('ReduceMean', [x], axes)])
      const variance = g.op('ReduceMean', [g.op('Pow', [centred, g.scalar('two', 'float32', 2)])], axes)
      const deviation = g.op('Sqrt', [g.op('Add', [variance, g.scalar('epsilon', 'float32', 1e-5)])])
      return g.op('Div', [centred, deviation])
    }
    const build = (g: GraphBuilder) => {
      const x = gemm(g, 'a', g.input('x', 'float32', ['batch', 6]), [6, 8])
      g.output('y', gemm(g, 'b', norm(g, x), [8, 4]), 'float32', ['batch', 4])
    }
    // Variances of 1e6 are far beyond float16.
    const x = normals([3, 6])
    const { kept, operators } = await convert(build, {
      x: new Tensor(
        'float32',
        [3, 6],
        x.data.map((v) => v * 1000),
      ),
    })
    expect(Object.fromEntries(kept)).toMatchObject({
      Pow: /overflow/,
      Sqrt: /overflow/,
      ReduceMean: /overflow/,
      Add: /around/,
    })
    expect(kept.has('Gemm') || kept.has('Sub') || kept.has('Div')).toBe(false)
    expect(operators).toContain('Pow ReduceMean Add Sqrt Cast Div')
  })

  it('leaves Softmax out of the exceptions when told to', async () => {
    const build = (g: GraphBuilder) => {
      const x = gemm(g, 'a', g.input('x', 'float32', ['batch', 6]), [6, 8])
      g.output('y', g.op('Softmax', [x]), 'float32', ['batch', 8])
    }
    const feeds = { x: normals([3, 6]) }
    expect((await convert(build, feeds)).kept.has('Softmax')).toBe(true)
    expect((await convert(build, feeds, { convert: ['Softmax'] })).kept.has('Softmax')).toBe(false)
    expect((await convert(build, feeds, { keepFloat32: ['Gemm'] })).report.converted).toBe(0)
    expect((await convert(build, feeds, { keepFloat32: ['a.Gemm'] })).kept.get('Gemm')).toBe('asked for')
    const g = new GraphBuilder('test')
    build(g)
    expect(() => convertToFloat16(g.graph, { keepFloat32: ['Gem'] })).toThrow(/'Gem'/)
  })

  it('keeps layers whose constants float16 cannot hold, and who reads what they compute', async () => {
    const build = (g: GraphBuilder) => {
      const x = gemm(g, 'a', g.input('x', 'float32', ['batch', 6]), [6, 8])
      const masked = g.op('Mul', [x, g.scalar('large', 'float32', 1e6)])
      const back = g.op('Mul', [masked, g.scalar('small', 'float32', 1e-7)])
      g.output('y', gemm(g, 'b', g.op('Relu', [back]), [8, 4]), 'float32', ['batch', 4])
    }
    const { report, operators } = await convert(build, { x: normals([3, 6]) })
    expect(report.kept.map(({ opType, reason }) => `${opType}: ${reason}`)).toEqual([
      "Mul: its constant 'large' exceeds 65504",
      expect.stringMatching(/^Mul: it reads what/),
    ])
    expect(operators).toBe('Cast Gemm Cast Mul Mul Cast Relu Gemm Cast')
    const tiny = (g: GraphBuilder) => {
      const x = gemm(g, 'a', g.input('x', 'float32', ['batch', 6]), [6, 8])
      const scaled = g.op('Div', [g.op('Mul', [x, g.scalar('c', 'float32', 3e-8)]), g.scalar('d', 'float32', 1e-8)])
      g.output('y', gemm(g, 'b', scaled, [8, 4]), 'float32', ['batch', 4])
    }
    expect((await convert(tiny, { x: normals([3, 6]) })).kept.get('Mul')).toBe(
      "its constant 'c' is too small for float16",
    )
  })

  it('keeps what calibration saw near the limit', async () => {
    const build = (g: GraphBuilder) => {
      const x = gemm(g, 'a', g.input('x', 'float32', ['batch', 6]), [6, 8])
      g.output('y', gemm(g, 'b', g.op('Relu', [x]), [8, 4]), 'float32', ['batch', 4])
    }
    const histogram = new Histogram()
    histogram.add(Float32Array.of(-3, 20_000))
    const ranges = new CalibrationTable(1, new Map([['a.Gemm', histogram]]))
    const { report } = await convert(build, { x: normals([3, 6]) }, { ranges })
    expect(report.kept.map(({ node, reason }) => `${node}: ${reason}`)).toEqual([
      "a.Gemm: 'a.Gemm' was measured up to 2.00e+4",
      "Relu: 'a.Gemm' was measured up to 2.00e+4",
    ])
  })

  it('counts in float32: float16 cannot tell 2049 from 2048', async () => {
    const build = (g: GraphBuilder) => {
      const x = g.input('x', 'float32', ['batch', 2, 'length'])
      const length = g.op('Cast', [g.op('Slice', [g.op('Shape', [x]), g.int64('from', [2]), g.int64('to', [3])])], {
        to: 1,
      })
      const end = g.op('Cast', [g.op('Mul', [length, g.scalar('share', 'float32', 0.75)])], { to: 7 })
      const part = g.op('Slice', [x, g.int64('start', [0]), end, g.int64('axis', [2])])
      g.output('y', g.op('Conv', [part, g.weights('weight', [3, 2, 1], 0.5)]), 'float32', ['batch', 3, 'rest'])
    }
    const { kept, operators } = await convert(build, { x: normals([1, 2, 4100]) })
    expect(kept.get('Mul')).toBe('it computes with whole numbers')
    expect(operators).toMatch(/Conv Cast$/)
  })

  it('leaves integer layers alone, and converts the float ones beside them', async () => {
    const g = new QuantizedBuilder()
    const x = g.input('image', 'float32', ['batch', 3, 8, 8])
    const first = conv(g, 'float', x, [3, 8])
    const weight = g.fakeWeight(g.weights('w', [4, 8, 1, 1], 0.2), 0)
    const second = g.op('Relu', [g.op('Conv', [g.fake(first, 0.02, 0, 'int8'), weight])])
    const flat = g.op('Flatten', [g.fake(second, 0.01, 0, 'uint8')])
    g.output('y', gemm(g, 'fc', g.op('Neg', [flat]), [256, 5]), 'float32', ['batch', 5])
    const { graph, report } = convertToFloat16(g.graph)
    const reasons = new Map(report.kept.map(({ opType, reason }) => [opType, reason]))
    expect(Object.fromEntries(reasons)).toMatchObject({ Conv: /integers/, Relu: /integers/, Flatten: /integers/ })
    expect(graph.nodes.filter((node) => node.opType === 'Cast')).toHaveLength(4)
    const error = new OutputError()
    error.add(await run(g.graph, image), await run(graph, image))
    expect(error.report.cosine).toBeGreaterThan(0.9999)
  })

  it('converts bodies of control flow, which read values around them', async () => {
    const build = (g: GraphBuilder) => {
      const x = g.op('Relu', [gemm(g, 'a', g.input('x', 'float32', ['batch', 6]), [6, 6])])
      const body = (name: string) => {
        const graph = new Graph(name, g.graph.model)
        const weight = graph.addInitializer(`${name}.weight`, normals([6, 4]))
        const product = graph.addNode({ opType: 'MatMul', inputs: [x, weight], outputs: [`${name}.product`] })
        graph.addOutput(product.outputs[0]!, { elementType: 'float32', shape: ['batch', 4] })
        return { type: 'graph', value: graph } as const
      }
      const chosen = g.op('If', [g.input('which', 'bool', [])], { then_branch: body('yes'), else_branch: body('no') })
      g.output('y', chosen, 'float32', ['batch', 4])
    }
    for (const which of [0, 1]) {
      const feeds = { x: normals([3, 6]), which: new Tensor('bool', [], Uint8Array.of(which)) }
      const { operators, kept } = await convert(build, feeds)
      expect(Object.fromEntries(kept)).toEqual({ Relu: 'a body of control flow reads it', If: expect.any(String) })
      expect(operators).toBe('Cast Gemm Cast Relu If Cast MatMul Cast Cast MatMul Cast')
    }
  })

  it('refuses a table of names that are not there', () => {
    expect(() => convertToFloat16(residualNetwork(), { keepFloat32: ['nothing'] })).toThrow(
      expect.toSatisfy((error) => isLowlatError(error, 'INVALID_ARGUMENT')),
    )
  })
})
