/** A tensor between layers, as the engine lays it out. */
export interface LayerTensor {
  readonly name: string
  /** -1 for what is known at run time. */
  readonly shape: readonly number[]
  /** 'FP32', 'FP16', 'INT8' ...; undefined where the inspector does not say. */
  readonly precision: string | undefined
  /** TensorRT's words: 'Row major linear FP32'. */
  readonly format: string
}

/** A layer of an engine, after fusion. */
export interface EngineLayer {
  readonly name: string
  /** Undefined where the engine was built with profilingVerbosity 'layer-names-only'. */
  readonly type?: string
  readonly inputs: readonly LayerTensor[]
  readonly outputs: readonly LayerTensor[]
  /** That it computes in: of its first input, which for Q/DQ networks is the narrow one. */
  readonly precision?: string
  readonly tactic?: string
  /** Of the ONNX nodes that it came from. */
  readonly nodes: readonly string[]
  /** Everything that the inspector says. */
  readonly details: Readonly<Record<string, unknown>>
}

export interface EngineLayers {
  readonly layers: readonly EngineLayer[]
  /** Names of the engine's inputs and outputs. */
  readonly bindings: readonly string[]
}

/**
 * What the engine inspector writes, with the fields of all releases of TensorRT 10 and 11 that differ made one.
 * @throws Error for what is not its JSON.
 */
export function layersFromJson(text: string): EngineLayers {
  const content: unknown = JSON.parse(text)
  if (!isRecord(content)) throw new Error(`Expected an object from TensorRT's inspector, got ${text.slice(0, 80)}`)
  const { Layers: layers, Bindings: bindings } = content
  return {
    layers: Array.isArray(layers) ? layers.map(layerFrom) : [],
    bindings: Array.isArray(bindings) ? bindings.map(String) : [],
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function layerFrom(value: unknown): EngineLayer {
  if (!isRecord(value)) return { name: String(value), inputs: [], outputs: [], nodes: [], details: {} }
  const inputs = tensorsFrom(value.Inputs)
  const outputs = tensorsFrom(value.Outputs)
  const precision = [...inputs, ...outputs].find((tensor) => tensor.precision !== undefined)?.precision
  const type = textOf(value.ParameterType) ?? textOf(value.LayerType)
  const tactic = textOf(value.TacticName) ?? textOf(value.TacticValue)
  return {
    name: textOf(value.Name) ?? '',
    ...(type !== undefined && { type }),
    inputs,
    outputs,
    ...(precision !== undefined && { precision }),
    ...(tactic !== undefined && { tactic }),
    nodes: nodesFrom(textOf(value.Metadata) ?? ''),
    details: value,
  }
}

function tensorsFrom(value: unknown): LayerTensor[] {
  if (!Array.isArray(value)) return []
  return value.filter(isRecord).map((tensor) => {
    const format = textOf(tensor['Format/Datatype']) ?? textOf(tensor.Format) ?? textOf(tensor.Datatype) ?? ''
    return {
      name: textOf(tensor.Name) ?? '',
      shape: Array.isArray(tensor.Dimensions) ? tensor.Dimensions.map(Number) : [],
      precision: precisionFrom(textOf(tensor.Datatype) ?? format),
      format,
    }
  })
}

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

/** Releases write the same types differently: 'Row major linear FP32', 'Float', 'Half', 'Int8'. */
const precisions: readonly (readonly [RegExp, string])[] = [
  [/\b(BF16|BFloat16)\b/i, 'BF16'],
  [/\b(FP32|Float|Float32)\b/i, 'FP32'],
  [/\b(FP16|Half|Float16)\b/i, 'FP16'],
  [/\b(FP8|E4M3\w*)\b/i, 'FP8'],
  [/\bFP4\b/i, 'FP4'],
  [/\bU?INT(4|8|32|64)\b/i, ''],
  [/\bBool\b/i, 'BOOL'],
]

function precisionFrom(text: string): string | undefined {
  for (const [pattern, name] of precisions) {
    const match = pattern.exec(text)
    if (match) return name || match[0].toUpperCase()
  }
  return undefined
}

/** '[ONNX Layer: conv1]\u001e[ONNX Layer: relu1]' */
function nodesFrom(metadata: string): string[] {
  return [...metadata.matchAll(/\[ONNX Layer: ([^\]]*)\]/g)].map(([, name]) => name!)
}
