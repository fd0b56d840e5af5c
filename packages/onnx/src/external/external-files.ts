import { dirname, join } from 'node:path'
import { type FileStamp, ModelError, type ModelSource, stampOf } from '@lowlat/core'
import type { ModelProto } from '../codec/messages.ts'
import { isExternal } from '../graph/tensor-data.ts'
import { mapTensors } from './map-tensors.ts'

/**
 * The files beside a model that hold its external data, each once, as they are now.
 * @param source where the model came from.
 * @throws ModelError MODEL_NOT_FOUND where one is missing; MODEL_UNSUPPORTED for a model with such files that came as bytes.
 */
export async function externalFiles(model: ModelProto, source: ModelSource): Promise<FileStamp[]> {
  const locations = externalLocations(model)
  if (locations.length === 0) return []
  if (source.kind === 'bytes') throw unknownFolder(locations)
  return Promise.all(locations.map((location) => stampOf(join(dirname(source.path), location))))
}

/** As the model names them: relative to its own folder. */
function externalLocations(model: ModelProto): string[] {
  const locations = new Set<string>()
  const note = <T extends Parameters<typeof isExternal>[0]>(tensor: T): T => {
    if (isExternal(tensor)) locations.add(tensor.externalData?.find(({ key }) => key === 'location')?.value ?? '')
    return tensor
  }
  mapTensors(model, { initializer: note, other: note })
  return [...locations]
}

function unknownFolder(locations: readonly string[]): ModelError {
  return new ModelError('MODEL_UNSUPPORTED', {
    message: `The model keeps weights in other files (${locations.join(', ')}), which cannot be found from bytes alone.`,
    remedy: "Pass the model's path instead of its bytes.",
    received: locations,
  })
}
