import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import { indexed } from './indexed.ts'

/**
 * Writes updates over `output`, which holds the data already (copy it there before). Without reduction; where an index
 * occurs twice, either of the updates stays, as ONNX leaves open. Indices as for {@link gather}.
 */
interface ScatterElementsArgs {
  /** Of the indices' shape. */
  readonly updates: View
  readonly indices: View
  readonly output: View
  readonly axis: number
}

export function scatterElements({ updates, indices, output, axis }: ScatterElementsArgs): Launch {
  return indexed({
    kind: 'scatter',
    chosen: output,
    listed: updates,
    indices,
    shape: indices.shape,
    chosenStrides: output.strides.with(axis, 0),
    indexStrides: indices.strides,
    coordinates: [axis],
  })
}

interface ScatterNdArgs {
  /** [..., ...output after the coordinates] */
  readonly updates: View
  /** [..., k]: k coordinates each, at most 4. */
  readonly indices: View
  readonly output: View
}

export function scatterNd({ updates, indices, output }: ScatterNdArgs): Launch {
  const places = indices.shape.slice(0, -1)
  const count = indices.shape.at(-1)!
  return indexed({
    kind: 'scatter',
    chosen: output,
    listed: updates,
    indices,
    shape: [...places, ...output.shape.slice(count)],
    chosenStrides: [...places.map(() => 0), ...output.strides.slice(count)],
    indexStrides: [...indices.strides.slice(0, -1), ...output.strides.slice(count).map(() => 0)],
    coordinates: Array.from({ length: count }, (_, index) => index),
    coordinateStep: indices.strides.at(-1)!,
  })
}
