import { isLowlatError } from '@lowlat/core'
import { type Graph, GraphBuilder } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { type GateTask, passGate } from './gate.ts'
import { OutputError } from './measure/output-error.ts'
import type { Sensitivity } from './sensitivity/sensitivity.ts'
import type { FloatParts } from './targets/recipe.ts'

const { report } = new OutputError()
const candidates: Sensitivity[] = [
  { kind: 'activation', names: ['bad', 'bad.pooled'], error: report },
  { kind: 'weight', names: ['conv7'], error: report },
  { kind: 'activation', names: ['harmless'], error: report },
]

/** A model that loses what its parts cost unless they are in float. */
function task(costs: Record<string, number>, maxDrop: number, asked: string[] = []): GateTask {
  const inFloat = new Map<Graph, FloatParts>()
  return {
    metric: 'top-1',
    maxDrop,
    async evaluate(quantized) {
      if (!quantized) return 0.9
      const { values = new Set(), nodes = new Set() } = inFloat.get(quantized)!
      const lost = Object.entries(costs).filter(([name]) => !values.has(name) && !nodes.has(name))
      return 0.9 - lost.reduce((sum, [, cost]) => sum + cost, 0)
    },
    async build(floats) {
      const { graph } = new GraphBuilder('variant')
      inFloat.set(graph, floats)
      return graph
    },
    async rank() {
      asked.push('rank')
      return candidates
    },
    onEvaluated: (_metric, _drop, taken) => asked.push(taken.join(' + ')),
  }
}

describe('passGate', () => {
  it('leaves nothing in float, and ranks nothing, where the drop is small enough', async () => {
    const asked: string[] = []
    const result = await passGate(task({ bad: 0.01 }, 0.02, asked))
    expect(result.inFloat).toEqual([])
    expect(result.gate).toEqual({
      metric: 'top-1',
      float: 0.9,
      quantized: expect.closeTo(0.89, 9),
      drop: expect.closeTo(0.01, 9),
      maxDrop: 0.02,
    })
    expect(asked).toEqual([''])
  })

  it('leaves the one activation in float that ruins the model, with all that share its scale', async () => {
    const result = await passGate(task({ bad: 0.5, harmless: 0.001 }, 0.01))
    expect([...result.floats.values!]).toEqual(['bad', 'bad.pooled'])
    expect(result.inFloat.map(({ kind, name }) => [kind, name])).toEqual([['activation', 'bad']])
  })

  it('gives back what is not needed after all', async () => {
    const result = await passGate(task({ harmless: 0.3, conv7: 0.3 }, 0.01))
    expect(result.inFloat.map(({ name }) => name)).toEqual(['conv7', 'harmless'])
    expect([...result.floats.nodes!]).toEqual(['conv7'])
  })

  it('says what was reached where all of it does not suffice', async () => {
    const impossible = { ...task({}, 0.01), evaluate: async (graph?: Graph) => (graph ? 0.4 : 0.9) }
    await expect(passGate(impossible)).rejects.toSatisfy(
      (error) => isLowlatError(error, 'ACCURACY_NOT_REACHED') && /0\.4/.test(error.message),
    )
  })

  it('does not pass the float model off as a quantized one', async () => {
    const all = { ...task({ bad: 0.5 }, 0), build: async () => undefined }
    await expect(passGate(all)).rejects.toSatisfy((error) => isLowlatError(error, 'ACCURACY_NOT_REACHED'))
  })
})
