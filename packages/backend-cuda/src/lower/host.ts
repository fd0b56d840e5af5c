import { isDType, ModelError } from '@lowlat/core'
import { cloneGraph, extractGraph, type Graph, inferTypes, onnxFromGraph, type Value } from '@lowlat/onnx'
import type { HostStep } from '../program/program.ts'
import type { Facts } from './facts.ts'
import type { Unit } from './unit.ts'

/** What a turn of the host reads and gives. */
interface HostPart {
  readonly units: readonly Unit[]
  /** From the device, inputs of the model among them. */
  readonly inputs: readonly Value[]
  /** From turns of the host before. */
  readonly passed: readonly Value[]
  /** To the device, to later turns of the host and to the caller. */
  readonly outputs: readonly Value[]
}

/**
 * @param readers of every value.
 * @param byHost what turns of the host before have computed.
 */
export function hostPart(
  units: readonly Unit[],
  facts: Facts,
  readers: ReadonlyMap<Value, readonly Unit[]>,
  byHost: ReadonlySet<Value>,
): HostPart {
  const part = new Set(units)
  const own = new Set(units.flatMap((unit) => unit.outputs))
  const read = new Set(units.flatMap((unit) => unit.inputs))
  const outside = [...read].filter((value) => !own.has(value) && !facts.isConstant(value))
  return {
    units,
    inputs: outside.filter((value) => !byHost.has(value)),
    passed: outside.filter((value) => byHost.has(value)),
    outputs: [...own].filter((value) => facts.isOutput(value) || readers.get(value)?.some((unit) => !part.has(unit))),
  }
}

/** Cuts host parts out of a graph, as ONNX files. */
export class HostModels {
  readonly #graph: Graph
  readonly #facts: Facts
  #clone: Graph | undefined
  /** The clone's values by name. */
  #cloned: ReadonlyMap<string, Value> = new Map()

  constructor(facts: Facts) {
    this.#graph = facts.graph
    this.#facts = facts
  }

  /** @throws ModelError MODEL_UNSUPPORTED where a value that is no tensor crosses into or out of the part. */
  cut(part: HostPart): Pick<HostStep, 'nodes' | 'operators' | 'model' | 'constants'> {
    const ends = [...part.inputs, ...part.passed, ...part.outputs]
    const graph = this.#typedClone()
    for (const value of ends) this.#checkEnd(value)
    const name = ({ name }: Value) => name
    const inputs = [...part.inputs, ...part.passed].map(name)
    const cut = extractGraph(graph, { inputs, outputs: part.outputs.map(name) })
    const nodes = part.units.flatMap((unit) => unit.nodes)
    return {
      nodes: nodes.map(({ name, opType }) => name || opType),
      operators: [...new Set(nodes.map(({ opType }) => opType))],
      model: onnxFromGraph(cut),
      constants: cut.initializers.map(name),
    }
  }

  /**
   * With the types of any run, so that parts for other shapes are the same model and branches that these shapes never take
   * stay valid; and with constants for what follows from these shapes: the nodes behind it may need what is not there.
   */
  #typedClone(): Graph {
    if (this.#clone) return this.#clone
    const clone = cloneGraph(this.#graph)
    inferTypes(clone)
    const values = new Map([...clone.values()].map((value) => [value.name, value]))
    for (const node of this.#graph.nodes) {
      if (!this.#facts.isFolded(node)) continue
      for (const output of node.outputs) {
        const known = output && this.#facts.known(output)
        const value = output && values.get(output.name)
        if (!known || !value || value.uses.some((use) => use.kind === 'output')) continue
        clone.replaceUses(value, clone.addInitializer(clone.uniqueName(`${value.name}_known`), known))
      }
    }
    this.#clone = clone
    this.#cloned = new Map([...clone.values()].map((value) => [value.name, value]))
    return clone
  }

  /** Gives the value in the clone at least its rank, where inference for any run does not find it. */
  #checkEnd(value: Value): void {
    const { name, elementType } = value
    const end = this.#cloned.get(name)
    const { shape } = this.#facts.typeIfKnown(value) ?? {}
    if (end && !end.shape && shape) end.shape = shape.map(() => undefined)
    if (isDType(end?.elementType ?? elementType)) return
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected numeric tensors between device and host, but '${name}' is none, or of a type that is not known.`,
      remedy: "Run this model on the backend 'cpu', or declare the type of the value.",
      details: { value: name },
    })
  }
}
