import { createBackend } from '@lowlat/backend-cpu'
import { createSession, type Feeds, isLowlatError, Tensor } from '@lowlat/core'
import { createRandom, type Graph, GraphBuilder, onnxFromGraph, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { CalibrationTable } from './calibrate/table.ts'
import type { QuantizeEvent, QuantizeOptions } from './options.ts'
import { quantize, sensitivity } from './quantize.ts'
import { compareSpeed } from './speed.ts'

const backend = createBackend()
const random = createRandom(9)

function conv(g: GraphBuilder, x: Value, [rows, depth, size]: readonly [number, number, number], group = 1): Value {
  const weight = g.weights('weight', [rows, depth, size, size], Math.sqrt(2 / (depth * size * size)))
  const pad = size >> 1
  return g.op('Conv', [x, weight, g.weights('bias', [rows], 0.1)], { group, pads: [pad, pad, pad, pad] })
}

/** An inverted residual block and a classifier: [N, 3, 12, 12] -> [N, 10]. */
function network(): Graph {
  const g = new GraphBuilder('network')
  const x = g.input('x', 'float32', ['batch', 3, 12, 12])
  const stem = g.op('Relu', [conv(g, x, [8, 3, 3])])
  const expanded = g.op('Relu', [conv(g, stem, [24, 8, 1])])
  const depthwise = g.op('Relu', [conv(g, expanded, [24, 1, 3], 24)])
  const sum = g.op('Add', [stem, conv(g, depthwise, [8, 24, 1])])
  const pooled = g.op('Flatten', [g.op('GlobalAveragePool', [sum])])
  const logits = g.op('Gemm', [pooled, g.weights('fc', [8, 10], 1)])
  g.output('y', logits, 'float32', ['batch', 10])
  return g.graph
}

const graph = network()
const samples: Feeds[] = Array.from({ length: 12 }, () => ({
  x: new Tensor('float32', [1, 3, 12, 12], random.normals(new Float32Array(432), 1)),
}))
/** Which layers are faster in float is not for tests of other things to say. */
const options = { samples, backend, leadingLayers: 'int8' } satisfies QuantizeOptions

const constantsOf = (of: Graph) =>
  new Map(
    [...of.values()].flatMap(({ name, initializer }) =>
      initializer ? [[name, initializer.tensor.toFloat32()] as const] : [],
    ),
  )
const operators = (of: Graph) => of.nodes.map((node) => node.opType)

async function outputsOf(model: Uint8Array): Promise<Float32Array[]> {
  await using session = await createSession(model, { backend, cache: false })
  return await Promise.all(samples.map(async (feeds) => (await session.run(feeds)).y!.toFloat32()))
}

describe('quantize', () => {
  it('gives a model of the same interface whose outputs are close, and reports how it was made', async () => {
    const events: QuantizeEvent[] = []
    const { model, graph: result, report } = await quantize(graph, { ...options, onProgress: (e) => events.push(e) })
    const float = await outputsOf(onnxFromGraph(graph))
    const integers = await outputsOf(model)
    let [signal, noise] = [0, 0]
    for (const [index, y] of float.entries()) {
      for (const [i, value] of y.entries()) {
        signal += value ** 2
        noise += (value - integers[index]![i]!) ** 2
      }
    }
    expect(-10 * Math.log10(noise / signal)).toBeCloseTo(report.error.sqnrDb, 3)
    expect(report.error.sqnrDb).toBeGreaterThan(25)
    expect(report.error.sqnrDb).toBe(Math.max(...report.trials.map(({ error }) => error.sqnrDb)))
    expect(operators(result)).toContain('QuantizeLinear')
    expect(report).toMatchObject({ target: 'cpu', samples: 12, weights: 5, inFloat: [] })
    expect(report.speed!.speedup).toBeGreaterThan(0)
    const phases = [...new Set(events.map(({ phase }) => phase))]
    expect(phases.slice(0, 3)).toEqual(['calibrate', 'search', 'speed'])
    expect(events.filter(({ phase }) => phase === 'calibrate')).toHaveLength(12)
    // So small a model is not made faster: that must be said.
    const warned = report.speed!.speedup < 1.1
    expect(report.warnings).toHaveLength(warned ? 1 : 0)
    expect(operators(graph)).not.toContain('QuantizeLinear')
  }, 60_000)

  it('measures which of the first layers are faster in float, where it runs on the target', async () => {
    const phases = new Set<string>()
    const quick = { method: 'minmax', weights: 'absmax', recovery: 'none', leadingLayers: 'auto' } as const
    const onProgress = ({ phase }: QuantizeEvent) => phases.add(phase)
    const { report, graph: result } = await quantize(graph, { ...options, ...quick, onProgress })
    expect(phases).toContain('leading')
    const names = report.leading?.names ?? []
    expect(report.weights + names.length).toBe(5)
    expect(report.inFloat).toEqual([])
    for (const node of result.nodes) {
      if (node.opType === 'Conv')
        expect([node.name, !node.inputs[1]!.producer]).toEqual([node.name, names.includes(node.name)])
    }
    phases.clear()
    await quantize(graph, { ...options, ...quick, target: 'trt', onProgress })
    expect(phases).not.toContain('leading')
  }, 60_000)

  it('serves a second target from a saved calibration', async () => {
    const plain = { ...options, method: 'minmax', recovery: 'none', weights: 'mse' } as const
    const first = await quantize(graph, plain)
    const calibration = CalibrationTable.fromJson(JSON.stringify(first.calibration))
    const again = await quantize(graph, { ...plain, calibration })
    expect(again.model).toEqual(first.model)
    const { graph: symmetric, report } = await quantize(graph, { ...plain, calibration, target: 'trt' })
    expect(report.target).toBe('trt')
    expect(report.speed).toBeUndefined()
    const zeroPoints = symmetric.nodes
      .filter((node) => node.opType === 'QuantizeLinear')
      .map((node) => node.inputs[2]!.initializer!.tensor)
    expect(zeroPoints.length).toBeGreaterThan(0)
    for (const { dtype, data } of zeroPoints) expect([dtype, Number(data[0])]).toEqual(['int8', 0])
  }, 60_000)

  it('tries equal channels for every target, and zero points in biases where the target has none', async () => {
    const plain = { ...options, method: 'minmax', weights: 'mse', leastSqnrDb: 'none' } as const
    for (const target of ['cpu', 'trt'] as const) {
      const { report } = await quantize(graph, { ...plain, target })
      const { trials, choice } = report
      expect(trials.some((trial) => trial.choice.equalized)).toBe(true)
      expect(trials.some((trial) => trial.choice.foldedZeroPoints)).toBe(target === 'trt')
      const best = trials.reduce((a, b) => (b.error.relativeError < a.error.relativeError ? b : a))
      expect(choice).toEqual(best.choice)
      expect(report.inFloat).toEqual([])
    }
  }, 60_000)

  it('leaves a part in float16 for GPUs where the outputs are not good enough, unless told otherwise', async () => {
    const plain = { ...options, target: 'trt', method: 'minmax', weights: 'mse' } as const
    const none = await quantize(graph, { ...plain, leastSqnrDb: 'none' })
    const half = await quantize(graph, { ...plain, leastSqnrDb: 100 })
    const full = await quantize(graph, { ...plain, leastSqnrDb: 100, floatParts: 'fp32' })
    expect([none, half, full].map(({ report }) => report.inFloat.length)).toEqual([0, 1, 1])
    expect(full.report.inFloat).toEqual(half.report.inFloat)
    expect(half.report.error.sqnrDb).toBeGreaterThan(none.report.error.sqnrDb)
    expect(Math.abs(half.report.error.sqnrDb - full.report.error.sqnrDb)).toBeLessThan(0.5)
    expect(half.report.inFloat16).toBeGreaterThan(0)
    expect([none.report.inFloat16, full.report.inFloat16]).toEqual([0, 0])
    const types = (of: Graph) => new Set([...of.values()].map(({ elementType }) => elementType))
    expect(types(half.graph)).toContain('float16')
    expect(types(full.graph)).not.toContain('float16')
    const { inputs, outputs } = half.graph
    expect([...inputs, ...outputs].map(({ name, elementType }) => [name, elementType])).toEqual([
      ['x', 'float32'],
      ['y', 'float32'],
    ])
  }, 60_000)

  it('leaves nothing in float unasked on the CPU', async () => {
    const plain = { ...options, method: 'minmax', weights: 'mse', recovery: 'none' } as const
    expect((await quantize(graph, plain)).report).toMatchObject({ inFloat: [], inFloat16: 0 })
    const asked = await quantize(graph, { ...plain, leastSqnrDb: 100 })
    expect(asked.report.inFloat).toHaveLength(1)
    expect(asked.report.inFloat16).toBe(0)
  }, 60_000)

  it('leaves in float what the metric cannot do without', async () => {
    const plain = { ...options, method: 'minmax', recovery: 'none', weights: 'mse' } as const
    // Anything in integers at the stem is intolerable to this metric.
    const metric = {
      name: 'stem in float',
      evaluate: async (run: (feeds: Feeds) => Promise<unknown>) => {
        await run(samples[0]!)
        return ++evaluations === 1 || evaluations > 3 ? 1 : 0
      },
    }
    let evaluations = 0
    const { report, graph: result } = await quantize(graph, { ...plain, metric, maxDrop: 0.5 })
    expect(report.gate).toMatchObject({ metric: 'stem in float', float: 1, quantized: 1, drop: 0 })
    expect(report.inFloat.length).toBeGreaterThan(0)
    expect(operators(result)).toContain('QuantizeLinear')
    await expect(
      quantize(graph, { ...plain, metric: { name: 'never', evaluate: async () => -evaluations++ }, maxDrop: 0 }),
    ).rejects.toSatisfy((error) => isLowlatError(error, 'ACCURACY_NOT_REACHED'))
  }, 60_000)

  it('is as good with one bias for all channels as with one for each', async () => {
    const vectors = samples.map(
      (_, i) => new Tensor('float32', [4, 8], createRandom(i).normals(new Float32Array(32), 1)),
    )
    const plain = { ...options, method: 'minmax', weights: 'mse', leastSqnrDb: 'none' } as const
    for (const target of ['cpu', 'trt'] as const) {
      for (const shape of [[], [1], [1, 6]]) {
        const g = new GraphBuilder('biases')
        const bias = new Float32Array(shape.at(-1) ?? 1).fill(0.7)
        const hidden = [g.input('x', 'float32', ['n', 8]), g.weights('w', [8, 6], 0.5)]
        const first = g.op('Gemm', [...hidden, g.constant('b', new Tensor('float32', shape, bias))])
        g.output('y', g.op('Gemm', [g.op('Relu', [first]), g.weights('v', [6, 5], 0.5)]), 'float32', ['n', 5])
        const { report } = await quantize(g.graph, { ...plain, samples: vectors, target })
        expect(report.error.sqnrDb).toBeGreaterThan(30)
        expect(report.weights).toBe(2)
      }
    }
  }, 60_000)

  it('searches beside outputs that are masked or zero, and says when there are no others', async () => {
    const withOutput = (add: (g: GraphBuilder, y: Value) => Value, alone = false) => {
      const g = new GraphBuilder('outputs')
      const hidden = g.op('Relu', [g.op('Gemm', [g.input('x', 'float32', ['n', 8]), g.weights('w', [8, 6], 0.5)])])
      const y = g.op('Gemm', [hidden, g.weights('v', [6, 5], 0.5)])
      if (!alone) g.output('y', y, 'float32', ['n', 5])
      g.output('z', add(g, y), 'float32', ['n', 5])
      return g.graph
    }
    const vectors = samples.map(
      (_, i) => new Tensor('float32', [4, 8], createRandom(i).normals(new Float32Array(32), 1)),
    )
    const reportOf = async (of: Graph) => (await quantize(of, { samples: vectors, backend, recovery: 'none' })).report
    const mask = new Tensor('float32', [5], Float32Array.of(0, 0, Number.NEGATIVE_INFINITY, 0, 0))
    const masked = withOutput((g, y) => g.op('Add', [y, g.constant('mask', mask)]), true)
    const zero = withOutput((g, y) => g.op('Relu', [g.op('Sub', [y, g.scalar('k', 'float32', 20)])]))
    for (const of of [masked, zero]) {
      const { error, trials } = await reportOf(of)
      expect(error.sqnrDb).toBeGreaterThan(15)
      expect(error.sqnrDb).toBe(Math.max(...trials.map((trial) => trial.error.sqnrDb)))
      expect(new Set(trials.map((trial) => trial.error.sqnrDb)).size).toBeGreaterThan(1)
    }
    const none = withOutput((g, y) => g.op('Log', [g.op('Sub', [y, g.scalar('k', 'float32', 99)])]), true)
    const { error, warnings } = await reportOf(none)
    expect(error).toMatchObject({ elements: 0, relativeError: 0 })
    expect(warnings.join()).toMatch(/no finite number/)
  }, 60_000)

  it.each(['cpu', 'trt'] as const)(
    'makes the same model for %s from samples of any batch size',
    async (target) => {
      const data = createRandom(3).normals(new Float32Array(32 * 432), 1)
      const models = []
      for (const size of [1, 4, 32]) {
        const batches = Array.from({ length: 32 / size }, (_, i) => {
          return new Tensor('float32', [size, 3, 12, 12], data.slice(i * size * 432, (i + 1) * size * 432))
        })
        models.push(await quantize(graph, { ...options, samples: batches, target, method: 'minmax' }))
      }
      const [single, ...batched] = models
      for (const { report, graph: other } of batched) {
        expect(report.choice).toEqual(single!.report.choice)
        expect(report.inFloat.map(({ kind, name }) => [kind, name])).toEqual(
          single!.report.inFloat.map(({ kind, name }) => [kind, name]),
        )
        expect(report.error.sqnrDb).toBeCloseTo(single!.report.error.sqnrDb, 3)
        expect(operators(other)).toEqual(operators(single!.graph))
        for (const [name, initializer] of constantsOf(single!.graph)) {
          const [wanted, got] = [initializer, constantsOf(other).get(name)!]
          const most = wanted.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
          // Kernels of another batch size may round otherwise; an integer between two steps may then be the next one.
          for (const [i, value] of got.entries()) {
            expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(Math.max(1e-5 * most, most > 2 ? 1 : 0))
          }
        }
      }
    },
    60_000,
  )

  it('keeps what it is told to keep', async () => {
    const [first] = graph.nodes
    const plain = { ...options, method: 'minmax', recovery: 'none', weights: 'mse' } as const
    const { report } = await quantize(graph, { ...plain, keepFloat: { nodes: [first!.name] } })
    expect(report.weights).toBe(4)
    await expect(quantize(graph, { ...plain, keepFloat: { nodes: ['nowhere'] } })).rejects.toThrow(/'nowhere'/)
  }, 60_000)

  it.each([
    [{ method: 'best' }, /'minmax'/],
    [{ target: 'tpu' }, /'cpu'/],
    [{ maxdrop: 1 }, /maxdrop/],
    [{ maxDrop: -1 }, /at least 0/],
    [{ samples: 5 }, /iterable/],
    [{ samples: undefined }, /samples/],
    [{ keepFloat: { layers: [] } }, /keepFloat/],
    [{ keepFloat: [] }, /keepFloat/],
    [{ metric: { name: 'top-1', evaluate: async () => 1 } }, /maxDrop/],
    [{ leastSqnrDb: '20' }, /decibels/],
    [{ floatParts: 'bf16' }, /'fp16'/],
  ])('refuses the option %j', async (wrong, message) => {
    await expect(quantize(graph, { ...options, ...wrong } as QuantizeOptions)).rejects.toSatisfy(
      (error) => isLowlatError(error, 'CONFIG_INVALID') && message.test(error.message),
    )
  })

  it('refuses samples that do not fit, and models without weights', async () => {
    await expect(quantize(graph, { ...options, samples: [] })).rejects.toSatisfy((error) =>
      isLowlatError(error, 'INVALID_ARGUMENT'),
    )
    await expect(quantize(graph, { ...options, samples: [{ x: 1 }] as never })).rejects.toThrow(/sample 0/)
    const g = new GraphBuilder('relu')
    g.output('y', g.op('Relu', [g.input('x', 'float32', [1])]), 'float32', [1])
    await expect(quantize(g.graph, options)).rejects.toSatisfy((error) => isLowlatError(error, 'MODEL_UNSUPPORTED'))
  })

  it('refuses to measure without rows, also where a calibration was handed in', async () => {
    const { calibration } = await quantize(graph, { ...options, recovery: 'none', method: 'minmax' })
    const empty = new Tensor('float32', [0, 3, 12, 12], new Float32Array(0))
    for (const make of [quantize, sensitivity]) {
      for (const wrong of [{ samples: [], calibration }, { samples: [empty], calibration }, { samples: [empty] }]) {
        await expect(make(graph, { ...options, ...wrong })).rejects.toSatisfy(
          (error) => isLowlatError(error, 'INVALID_ARGUMENT') && /samples/.test(error.message),
        )
      }
    }
  }, 60_000)

  it.each([['many'], [undefined], [Number.NaN]])('refuses %s from a metric', async (value) => {
    const metric = { name: 'odd', evaluate: async () => value as number }
    const plain = { ...options, recovery: 'none', method: 'minmax', weights: 'mse' } as const
    await expect(quantize(graph, { ...plain, metric, maxDrop: 0.1 })).rejects.toSatisfy(
      (error) => isLowlatError(error, 'INVALID_ARGUMENT') && /'odd'/.test(error.message),
    )
  })

  it.each(['calibrate', 'search', 'sensitivity', 'gate'] as const)('stops at the signal during %s', async (phase) => {
    const controller = new AbortController()
    const onProgress = (event: QuantizeEvent) => {
      if (event.phase === phase) controller.abort()
    }
    const plain = { ...options, recovery: 'none', method: 'minmax', weights: 'auto', leastSqnrDb: 100 } as const
    await expect(quantize(graph, { ...plain, onProgress, signal: controller.signal })).rejects.toSatisfy(
      (error) => isLowlatError(error, 'ABORTED') && error.name === 'AbortError',
    )
  })

  it('stops the comparison of speeds at the signal', async () => {
    const signal = AbortSignal.abort()
    await expect(compareSpeed(graph, graph, samples[0]!, { backend, signal })).rejects.toSatisfy((error) =>
      isLowlatError(error, 'ABORTED'),
    )
  })
})
