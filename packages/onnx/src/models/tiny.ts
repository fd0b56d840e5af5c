import type { GraphBuilder } from '../build/graph-builder.ts'
import { linear } from './layers.ts'

/** One layer that runs in microseconds, to measure what a call costs: 'input' [batch, 8] -> 'output' [batch, 8]. */
export function tiny(g: GraphBuilder): void {
  const x = g.input('input', 'float32', ['batch', 8])
  g.output('output', g.op('Relu', [linear(g, 'fc', x, 8, 8)]), 'float32', ['batch', 8])
}
