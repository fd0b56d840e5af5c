import type { ModelProto } from '../codec/messages.ts'
import { isExternal } from '../graph/tensor-data.ts'
import { mapTensors } from './map-tensors.ts'

/** The files that hold a model's external data, each once, as the model names them: relative to its own folder. */
export function externalFiles(model: ModelProto): string[] {
  const files = new Set<string>()
  const note = <T extends Parameters<typeof isExternal>[0]>(tensor: T): T => {
    if (isExternal(tensor)) files.add(tensor.externalData?.find(({ key }) => key === 'location')?.value ?? '')
    return tensor
  }
  mapTensors(model, { initializer: note, other: note })
  return [...files]
}
