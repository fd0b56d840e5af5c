import { dtypes, InputError, isDType } from '@lowlat/core'
import { fusedOutput, type Graph, type Node, type Value } from '@lowlat/onnx'

/** One value of each model that stand for the same. */
export interface ValuePair {
  readonly a: string
  readonly b: string
}

/** What exporters and this package append to the name of a value that they quantize or convert. */
const suffix = /([._](quantized|dequantized|q|dq|float16)|[._](QuantizeLinear|DequantizeLinear)([._]Output)?|\.real)+$/

/**
 * Pairs the float values that both models compute, in the order of the first. Values have equal names, but for what
 * quantization appends to them; where one is quantized, it is what comes out of its DequantizeLinear that counts. A
 * rectifier that `b` leaves to saturation is paired with the quantized value.
 * @throws InputError INVALID_ARGUMENT where nothing inside the models matches: models of other architectures, or with
 * other names.
 */
export function matchValues(a: Graph, b: Graph): readonly ValuePair[] {
  const candidates = new Candidates(b)
  const pairs: ValuePair[] = []
  const compared = new Set<Value>()
  const outputs = new Set(a.outputs)
  const inner = a.nodes.flatMap((node) => {
    const values = node.outputs.flatMap((value) => (value && isFloat(value) ? value : []))
    return isMeasured(node) ? values : values.filter((value) => outputs.has(value))
  })
  for (const value of inner) {
    if (compared.has(value)) continue
    const match = candidates.find(value)
    if (!match) continue
    const behind = match.isQuantized ? rectified(value) : value
    const better = behind === value ? undefined : candidates.find(behind)
    if (better) continue // its own turn comes
    compared.add(behind)
    pairs.push({ a: behind.name, b: match.value.name })
  }
  const names = new Set(a.outputs.map((value) => value.name))
  if (pairs.some((pair) => !names.has(pair.a)) || inner.every((value) => names.has(value.name))) return pairs
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected models with values of equal names, got ${inner.length} values of which none is in the other model${
      pairs.length === 0 ? '' : ` but the outputs ${pairs.map((pair) => `'${pair.a}'`).join(', ')}`
    }.`,
    remedy: 'Say which values belong together: { values: [{ a: "conv1", b: "Conv_0" }, ...] }.',
    details: { matched: pairs },
  })
}

/** Neither what only changes the form of a value, nor constants. */
function isMeasured(node: Node): boolean {
  if (['QuantizeLinear', 'DequantizeLinear', 'Cast', 'Constant', 'Identity'].includes(node.opType)) return false
  return node.inputs.some((value) => value && !value.initializer)
}

function isFloat({ elementType }: Value): boolean {
  return isDType(elementType) && dtypes[elementType].kind === 'float'
}

function rectified(value: Value): Value {
  return value.producer ? (fusedOutput(value.producer) ?? value) : value
}

interface Match {
  readonly value: Value
  readonly isQuantized: boolean
}

/** The values of a model by name, with and without what quantization appends. */
class Candidates {
  readonly #byName = new Map<string, Value>()
  readonly #byBase = new Map<string, Value>()

  constructor(graph: Graph) {
    for (const value of graph.values()) {
      if (!value.producer) continue
      this.#byName.set(value.name, value)
      const base = value.name.replace(suffix, '')
      if (base !== value.name && !this.#byBase.has(base)) this.#byBase.set(base, value)
    }
  }

  find({ name }: Value): Match | undefined {
    const value = this.#byName.get(name) ?? this.#byBase.get(name)
    if (!value) return undefined
    const real = dequantized(value)
    if (real) return { value: real, isQuantized: true }
    return isFloat(value) ? { value, isQuantized: value.producer?.opType === 'DequantizeLinear' } : undefined
  }
}

/** Follows a rectifier, QuantizeLinear, and a rectifier of its integers, to DequantizeLinear. */
function dequantized(value: Value): Value | undefined {
  for (const use of value.uses) {
    if (use.kind !== 'node' || use.index !== 0) continue
    const { opType, outputs } = use.node
    if (opType === 'DequantizeLinear') return outputs[0]
    const isInteger = !isFloat(value)
    if (opType === 'QuantizeLinear' || (opType === 'Clip' && isInteger)) return dequantized(outputs[0]!)
  }
  const behind = rectified(value)
  return behind === value ? undefined : dequantized(behind)
}
