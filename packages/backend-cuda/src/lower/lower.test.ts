import type { Shape } from '@lowlat/core'
import { claimedOperators, float, GraphBuilder, generateGraph, graphFromOnnx, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import type { DeviceStep, HostStep, Program } from '../program/program.ts'
import { testDevice } from '../testing/facts.ts'
import { MemoryConstants } from '../testing/memory-constants.ts'
import { lower, lowerInSlices } from './lower.ts'
import type { LowerOptions } from './options.ts'
import { prepareGraph } from './prepare.ts'
import { loweredOperators } from './rules.ts'

type Body = (g: GraphBuilder, x: Value) => Value | Record<string, Value>

/** Lowers a graph with the input x and the outputs that the body gives ('y' where it gives one). */
function lowered(shape: Shape, body: Body, options: Partial<LowerOptions> = {}): Program {
  const g = new GraphBuilder('test', { opset: 18 })
  const x = g.input(
    'x',
    'float32',
    shape.map((_, axis) => `axis${axis}`),
  )
  const result = body(g, x)
  const outputs = 'name' in result ? { y: result as Value } : (result as Record<string, Value>)
  for (const [name, value] of Object.entries(outputs)) {
    g.graph.rename(value, name)
    g.graph.addOutput(value, { elementType: 'float32', shape: undefined })
  }
  return lower(prepareGraph(g.graph), {
    inputShapes: { x: shape },
    precision: 'model',
    device: testDevice,
    constants: new MemoryConstants(),
    hostFallback: 'run',
    tf32: false,
    ...options,
  })
}

const op = (g: GraphBuilder, type: string, ...inputs: Value[]) => g.op(type, inputs)

const operatorsOf = ({ steps }: Program) => steps.map((step) => (step.kind === 'host' ? 'host' : step.operator))

const writesOf = ({ steps }: Program) => steps.flatMap((step) => (step as DeviceStep).launch.writes)

/** What follows an operator that has no kernel, so that its result comes from the host. */
const onHost = (g: GraphBuilder, x: Value) => g.op('Hardmax', [x])

describe('lower', () => {
  it('computes on shapes while it lowers, not on the device', () => {
    const program = lowered([2, 3, 4], (g, x) => {
      const batch = op(g, 'Gather', op(g, 'Shape', x), g.int64('first', [0]))
      const shape = g.op('Concat', [batch, g.int64('rest', [-1])], { axis: 0 })
      return op(g, 'Reshape', op(g, 'Relu', x), shape)
    })
    expect(operatorsOf(program)).toEqual(['Relu'])
    expect(program.outputs[0]!.view?.shape).toEqual([2, 12])
  })

  it('reads transposed, sliced, split and repeated tensors where they lie', () => {
    const program = lowered([2, 6, 4], (g, x) => {
      const moved = g.op('Transpose', [x], { perm: [2, 0, 1] })
      const sliced = op(
        g,
        'Slice',
        moved,
        g.int64('from', [3]),
        g.int64('to', [-9]),
        g.int64('axes', [0]),
        g.int64('step', [-1]),
      )
      const [left, right] = g.graph.addNode({
        opType: 'Split',
        name: 'split',
        inputs: [sliced],
        outputs: 2,
        attributes: { axis: 2, num_outputs: 2 },
      }).outputs
      const row = op(g, 'Slice', left!, g.int64('zero', [0]), g.int64('one', [1]), g.int64('first', [0]))
      return op(g, 'Add', op(g, 'Expand', row, g.int64('shape', [4, 2, 3])), right!)
    })
    expect(operatorsOf(program)).toEqual(['Add'])
    expect((program.steps[0] as DeviceStep).launch.reads.every(({ kind }) => kind === 'input')).toBe(true)
  })

  it('writes what is reshaped last straight to the output', () => {
    const program = lowered([2, 3, 4], (g, x) => op(g, 'Reshape', op(g, 'Relu', x), g.int64('flat', [24])))
    expect(writesOf(program).map(({ name }) => name)).toEqual(['y'])
  })

  it('copies where an output is an input or another view of memory', () => {
    const program = lowered([2, 3], (g, x) => g.op('Transpose', [x], { perm: [1, 0] }))
    expect(operatorsOf(program)).toEqual(['Copy'])
    expect(writesOf(program).map(({ name }) => name)).toEqual(['y'])
  })

  it('keeps float16 between kernels and float32 at the ends', () => {
    const program = lowered(
      [2, 3],
      (g, x) => {
        const sum = op(g, 'ReduceSum', op(g, 'Relu', x), g.int64('axes', [1]))
        return op(g, 'Relu', sum)
      },
      { precision: 'fp16' },
    )
    expect(program.inputs[0]!.view.dtype).toBe('float32')
    expect(program.outputs[0]!.view!.dtype).toBe('float32')
    const relu = (program.steps[0] as DeviceStep).launch.writes[0]!
    expect(relu.sizeBytes).toBe(2 * 3 * 2)
  })
})

describe('element-wise chains', () => {
  it('are one kernel, also where a value is read twice in them', () => {
    const program = lowered([2, 3], (g, x) => {
      const y = op(g, 'Exp', x)
      return op(g, 'Mul', op(g, 'Sin', y), op(g, 'Add', op(g, 'Cos', y), g.scalar('c', 'float32', 2)))
    })
    expect(operatorsOf(program)).toEqual(['Exp+Cos+Add+Sin+Mul'])
  })

  it('end where somebody else reads what they compute', () => {
    const program = lowered([2, 3], (g, x) => {
      const shared = op(g, 'Exp', x)
      return { shared, y: op(g, 'Sin', shared) }
    })
    expect(operatorsOf(program)).toEqual(['Exp', 'Sin'])
  })

  it('do not compute again for every element what is broadcast', () => {
    const program = lowered([4, 1], (g, x) => op(g, 'Add', op(g, 'Exp', x), g.weights('w', [1, 5], 1)))
    expect(operatorsOf(program)).toEqual(['Exp', 'Add'])
  })

  it('take as much as a kernel holds', () => {
    const program = lowered([2, 3], (g, x) => {
      let y = x
      for (let i = 0; i < 9; i++) y = op(g, 'Add', y, g.weights(`w${i}`, [2, 3], 1))
      return y
    })
    expect(program.steps).toHaveLength(2)
  })

  it('do not mix what is computed in integers and in floats', () => {
    const program = lowered([2, 3], (g, x) => {
      const rounded = g.op('Cast', [op(g, 'Exp', x)], { to: 7 })
      return g.op('Cast', [op(g, 'Add', rounded, g.int64('one', [1]))], { to: 1 })
    })
    expect(operatorsOf(program)).toEqual(['Exp+Cast', 'Add+Cast'])
  })

  it('lie as their largest operand lies', () => {
    const program = lowered([1, 4, 5, 6], (g, x) => {
      const pooled = g.op('Conv', [x, g.weights('w', [8, 4, 1, 1], 1)])
      return op(g, 'ReduceMax', op(g, 'Erf', op(g, 'Sqrt', pooled)), g.int64('axes', [1]))
    })
    const erf = program.steps.find((step) => step.kind === 'kernel' && step.operator.includes('Erf')) as DeviceStep
    expect(erf.operator).toBe('Sqrt+Erf')
    // Four neighbours at once on both sides: channels-last throughout.
    expect(erf.launch.arguments.neighbours).toEqual(expect.arrayContaining([1]))
  })
})

describe('concatenation', () => {
  it('is written in place by what computes its parts', () => {
    const program = lowered([2, 3], (g, x) => {
      const parts = [op(g, 'Exp', x), op(g, 'Sin', x), op(g, 'Cos', x)]
      return g.op('Concat', parts, { axis: 1 })
    })
    expect(operatorsOf(program)).toEqual(['Exp', 'Sin', 'Cos'])
    expect(new Set(writesOf(program)).size).toBe(1)
  })

  it('copies parts that lie elsewhere already', () => {
    const program = lowered([2, 3], (g, x) => g.op('Concat', [x, op(g, 'Sin', x), x], { axis: 0 }))
    expect(operatorsOf(program).toSorted()).toEqual(['Concat', 'Concat', 'Sin'])
  })

  it('is found inside of a larger one', () => {
    const program = lowered([2, 3], (g, x) => {
      const [a, b] = [op(g, 'Exp', x), op(g, 'Sin', x)]
      const small = g.op('Concat', [a, b], { axis: 1 })
      const sum = op(g, 'ReduceSum', small, g.int64('axes', [1]))
      return g.op('Concat', [a, b, sum], { axis: 1 })
    })
    expect(operatorsOf(program)).toEqual(['Exp', 'Sin', 'ReduceSum'])
  })

  it('nests', () => {
    const program = lowered(
      [2, 3],
      (g, x) => {
        const inner = g.op('Concat', [op(g, 'Exp', x), op(g, 'Sin', x)], { axis: 1 })
        return g.op('Concat', [op(g, 'Cos', x), inner], { axis: 0 })
      },
      {},
    )
    expect(program.steps).not.toContainEqual(expect.objectContaining({ operator: 'Concat' }))
  })
})

describe('the host', () => {
  it('runs what has no kernel as one step between kernels', () => {
    const program = lowered([2, 300, 100], (g, x) => {
      const hosted = onHost(g, op(g, 'Exp', x))
      return op(g, 'Sin', op(g, 'Add', hosted, onHost(g, op(g, 'Cos', x))))
    })
    expect(operatorsOf(program)).toEqual(['Exp', 'Cos', 'host', 'Add+Sin'])
    const host = program.steps[2] as HostStep
    expect(host.operators).toEqual(['Hardmax'])
    const part = graphFromOnnx(host.model)
    expect(part.nodes).toHaveLength(2)
    expect(part.inputs.map(({ name }) => name).toSorted()).toEqual(host.inputs.map(({ name }) => name).toSorted())
    expect(part.outputs.map(({ name }) => name)).toEqual(host.outputs.map(({ name }) => name))
  })

  it('takes light nodes before and between its own along', () => {
    const program = lowered([2, 3], (g, x) => {
      const hosted = onHost(g, op(g, 'Exp', x))
      return op(g, 'Sin', onHost(g, op(g, 'Relu', hosted)))
    })
    expect(operatorsOf(program)).toEqual(['host', 'Sin'])
  })

  it('runs the same model whatever the shapes', () => {
    const [one, other] = [2, 5].map((rows) => lowered([rows, 300, 100], (g, x) => onHost(g, op(g, 'Exp', x))))
    const modelOf = (program: Program) => (program.steps[1] as HostStep).model
    expect(modelOf(one!)).toEqual(modelOf(other!))
  })

  it('gives outputs directly', () => {
    const program = lowered([2, 3], (g, x) => onHost(g, x))
    expect(operatorsOf(program)).toEqual(['host'])
    expect(program.outputs).toEqual([{ name: 'y' }])
    expect((program.steps[0] as HostStep).outputs).toEqual([{ name: 'y' }])
  })

  it('passes what only later steps of its own read past the device', () => {
    const program = lowered([2, 300, 100], (g, x) => {
      const first = onHost(g, x)
      const computed = op(g, 'Exp', first)
      return onHost(g, op(g, 'Add', onHost(g, first), onHost(g, computed)))
    })
    expect(operatorsOf(program)).toEqual(['host', 'Exp', 'host', 'Add', 'host'])
    const second = program.steps[2] as HostStep
    expect(second.inputs).toHaveLength(1)
    expect(graphFromOnnx(second.model).inputs.length).toBeGreaterThanOrEqual(1)
  })

  it('takes weights along, and constants that follow from shapes', () => {
    const program = lowered([200, 300], (g, x) => {
      const size = op(g, 'Gather', op(g, 'Shape', x), g.int64('last', [1]))
      const axis = op(g, 'Squeeze', op(g, 'Sub', size, g.int64('less', [299])))
      return op(g, 'CumSum', op(g, 'Exp', x), axis)
    })
    const host = program.steps[1] as HostStep
    const part = graphFromOnnx(host.model)
    expect(part.nodes.map(({ opType }) => opType)).toEqual(['CumSum'])
    expect(part.initializers.map(({ name }) => name)).toEqual(host.constants)
    expect(part.initializers.map(({ initializer }) => Number(initializer!.tensor.data[0]))).toEqual([1])
  })

  it('is refused with a list of what would need it', () => {
    const refused = () =>
      lowered([2, 3], (g, x) => onHost(g, g.op('Elu', [x], { alpha: float(1) })), { hostFallback: 'error' })
    expect(refused).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }))
    expect(refused).toThrow(/Hardmax: has no kernel \('Hardmax'\)/)
    const between = () => lowered([2, 3], (g, x) => onHost(g, op(g, 'Relu', onHost(g, x))), { hostFallback: 'error' })
    expect(between).toThrow(expect.objectContaining({ details: { operators: ['Hardmax'] } }))
  })
})

describe('lowerInSlices', () => {
  const graph = prepareGraph(generateGraph('mobilenet_v2', { seed: 1 }))
  const options = (): LowerOptions => ({
    inputShapes: { [graph.requiredInputs[0]!.name]: [1, 3, 224, 224] },
    precision: 'fp32',
    device: testDevice,
    constants: new MemoryConstants(),
    hostFallback: 'error',
    tf32: false,
  })

  it('gives the same program, and way to others meanwhile', async () => {
    let turns = 0
    const program = await lowerInSlices(graph, options(), async () => {
      turns++
    })
    // Far more than a slice.
    expect(turns).toBeGreaterThan(1)
    expect(program).toEqual(lower(graph, options()))
  })

  it('ends with what giving way rejects with', async () => {
    const refusal = new Error('no more turns')
    await expect(lowerInSlices(graph, options(), () => Promise.reject(refusal))).rejects.toBe(refusal)
  })
})

it('has rules for operators alone whose types can be inferred', () => {
  expect([...loweredOperators].filter((operator) => !claimedOperators.has(operator))).toEqual([])
})
