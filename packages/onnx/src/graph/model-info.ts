import { ModelError } from '@lowlat/core'
import type { FunctionProto, ModelProto } from '../codec/messages.ts'

/** What belongs to the model rather than to one of its graphs. */
export interface ModelInfo {
  irVersion: number
  /** Version of the operator set per domain; ONNX's own domain is ''. */
  readonly opsetImports: Map<string, number>
  producerName: string
  producerVersion: string
  readonly metadata: Map<string, string>
  /** Functions that are defined by the model itself, as they stand in the file. */
  readonly functions: readonly FunctionProto[]
  /** The message that it came from, for what has no field here. */
  readonly source: ModelProto
}

/** 'ai.onnx' is another way to write ONNX's own domain ''. */
export function normalDomain(domain: string | undefined): string {
  return domain === undefined || domain === 'ai.onnx' ? '' : domain
}

export function modelInfoFrom(source: ModelProto): ModelInfo {
  return {
    irVersion: Number(source.irVersion ?? 0n),
    opsetImports: new Map(
      source.opsetImport?.map(({ domain, version }) => [normalDomain(domain), Number(version ?? 0n)]),
    ),
    producerName: source.producerName ?? '',
    producerVersion: source.producerVersion ?? '',
    metadata: new Map(source.metadataProps?.map(({ key, value }) => [key ?? '', value ?? ''])),
    functions: source.functions ?? [],
    source,
  }
}

/** The model without its graph; what did not change is written as it stood in the file. */
export function messageFromInfo(info: ModelInfo): ModelProto {
  const { source } = info
  const old = modelInfoFrom(source)
  const message: ModelProto = { ...source }
  if (info.irVersion !== old.irVersion) message.irVersion = BigInt(info.irVersion)
  if (info.producerName !== old.producerName) message.producerName = info.producerName
  if (info.producerVersion !== old.producerVersion) message.producerVersion = info.producerVersion
  if (!sameEntries(info.opsetImports, old.opsetImports)) {
    message.opsetImport = [...info.opsetImports].map(([domain, version]) => ({ domain, version: BigInt(version) }))
  }
  if (!sameEntries(info.metadata, old.metadata)) {
    message.metadataProps = [...info.metadata].map(([key, value]) => ({ key, value }))
  }
  return message
}

function sameEntries<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}

/** Version of ONNX's own operators. @throws ModelError MODEL_INVALID when the model does not import them. */
export function opsetOf(info: ModelInfo): number {
  const version = info.opsetImports.get('')
  if (version !== undefined) return version
  throw new ModelError('MODEL_INVALID', {
    message: `Expected the model to import ONNX's own operator set, got ${[...info.opsetImports.keys()].join(', ') || 'none'}.`,
    remedy: 'Export the model again with an exporter that writes opset_import.',
    received: [...info.opsetImports.keys()],
  })
}
