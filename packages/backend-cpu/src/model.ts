import type { FileStamp, ModelSource, Precision } from '@lowlat/core'
import type { OrtModel } from './protocol.ts'

export async function inspectModel(
  model: ModelSource,
  _precision: Precision,
): Promise<{ source: OrtModel; dependencies: FileStamp[] }> {
  return { source: model.kind === 'file' ? { path: model.path } : { bytes: model.bytes }, dependencies: [] }
}
