import { ModelError, monotonicUs } from '@lowlat/core'
import { type Graph, inferTypes, type Value } from '@lowlat/onnx'
import { withSplitCounters } from '../kernels/split-counters.ts'
import type { HostStep, Program } from '../program/program.ts'
import { chainElementwise } from './elementwise/chains.ts'
import { Emitter, viewOfBuffer } from './emitter.ts'
import { Facts } from './facts.ts'
import { HostModels, hostPart } from './host.ts'
import type { LowerOptions } from './options.ts'
import { readersOf, turnsOf } from './order.ts'
import { partition, sendAlong } from './partition.ts'
import type { Unit } from './unit.ts'

/** Longest that lowering keeps the calling thread between two turns, as far as its pieces allow. */
const SLICE_US = 1000

/**
 * What runs for these input shapes. The graph is not changed; it was prepared by `prepareGraph`.
 * @throws ModelError MODEL_UNSUPPORTED listing the operators without a kernel, with `hostFallback: 'error'`; naming a value
 * that is no tensor where it would pass between device and host.
 * @throws InputError INPUT_UNKNOWN or INPUT_SHAPE for shapes that contradict the graph's inputs.
 */
export function lower(graph: Graph, options: LowerOptions): Program {
  const pieces = lowerPieces(graph, options)
  let piece = pieces.next()
  while (!piece.done) piece = pieces.next()
  return piece.value
}

/**
 * The same in slices of about a millisecond, so that large models do not hold up the event loop.
 * @param giveWay awaited between two slices; what it rejects with ends the lowering.
 * @throws (as rejection) as {@link lower}.
 */
export async function lowerInSlices(
  graph: Graph,
  options: LowerOptions,
  giveWay: () => Promise<void>,
): Promise<Program> {
  const pieces = lowerPieces(graph, options)
  let startUs = monotonicUs()
  for (;;) {
    const piece = pieces.next()
    if (piece.done) return piece.value
    if (monotonicUs() - startUs < SLICE_US) continue
    await giveWay()
    startUs = monotonicUs()
  }
}

/** Yields wherever it may pause. */
function* lowerPieces(graph: Graph, options: LowerOptions): Generator<void, Program> {
  const facts = new Facts(graph, inferTypes(graph, { inputShapes: options.inputShapes, update: false }), options)
  yield
  const parts = yield* partition(graph, facts)
  if (options.hostFallback === 'error') refuseHosts(parts)
  const units = chainElementwise(sendAlong(parts, facts), facts)
  yield
  const hosts = units.filter(({ kind }) => kind === 'host')
  const readers = readersOf(units)
  const byHost = new Set(hosts.flatMap(({ outputs }) => outputs))
  const emitter = new Emitter(facts, options.constants, readers, byHost)
  const inputs = graph.requiredInputs.map((value) => {
    const { dtype, shape } = facts.type(value)
    const view = viewOfBuffer('input', value.name, dtype, shape)
    emitter.define(value, view)
    return { name: value.name, view }
  })
  const models = new HostModels(facts)
  for (const turn of turnsOf(units)) {
    if (turn[0]!.kind === 'host') emitter.steps.push(hostStep(turn, emitter, models, readers, byHost))
    else {
      for (const unit of turn) {
        emitter.lower(unit)
        yield
      }
    }
  }
  const outputs = graph.outputs.map((value) => {
    // Constants, and what follows from shapes.
    if (!byHost.has(value) && !emitter.isDefined(value)) emitter.define(value, emitter.viewOf(value))
    const view = emitter.outputView(value)
    return view ? { name: value.name, view } : { name: value.name }
  })
  return { inputs, outputs, steps: withSplitCounters(emitter.steps) }
}

function hostStep(
  units: readonly Unit[],
  emitter: Emitter,
  models: HostModels,
  readers: ReadonlyMap<Value, readonly Unit[]>,
  byHost: ReadonlySet<Value>,
): HostStep {
  const { facts } = emitter
  const part = hostPart(units, facts, readers, byHost)
  const inputs = part.inputs.map((value) => {
    return { name: value.name, view: emitter.contiguous(emitter.viewOf(value), facts.dtype(value)) }
  })
  const outputs = part.outputs.map((value) => {
    if (!readers.get(value)?.some(({ kind }) => kind === 'device')) return { name: value.name }
    const { dtype, shape } = facts.type(value)
    const view = emitter.temporary(dtype, shape)
    emitter.define(value, view)
    return { name: value.name, view }
  })
  return { kind: 'host', ...models.cut(part), inputs, outputs }
}

/** @throws ModelError MODEL_UNSUPPORTED naming every operator without a kernel; none where there is no such. */
function refuseHosts(units: readonly Unit[]): void {
  const hosts = units.filter(({ kind }) => kind === 'host')
  if (hosts.length === 0) return
  const reasons = new Map<string, string[]>()
  for (const { operator, nodes, reason } of hosts) {
    const text = `${operator}: ${reason}`
    reasons.set(text, [...(reasons.get(text) ?? []), nodes[0]!.name])
  }
  const list = [...reasons].map(([text, names]) => `${text} (${named(names)})`)
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected a model that runs on the GPU as a whole, but these operators cannot:\n${list.join('\n')}`,
    remedy: "Set backendOptions.cuda.hostFallback to 'run' to run them on the host, or replace them in the model.",
    details: { operators: [...new Set(hosts.map(({ operator }) => operator))] },
  })
}

const named = (names: readonly string[]): string => {
  const shown = names.slice(0, 3).map((name) => `'${name}'`)
  return names.length > 3 ? `${shown.join(', ')} and ${names.length - 3} more` : shown.join(', ')
}
