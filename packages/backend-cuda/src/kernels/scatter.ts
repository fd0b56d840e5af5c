import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

/**
 * Writes updates over `output`, which holds the data already (copy it there before). Without reduction; where an index
 * occurs twice, either of the updates stays, as ONNX leaves open. Indices as for {@link gather}.
 */
export interface ScatterElementsArgs {
  /** Of the indices' shape. */
  readonly updates: View
  readonly indices: View
  readonly output: View
  readonly axis: number
}

export declare function scatterElements(args: ScatterElementsArgs): Launch

export interface ScatterNdArgs {
  /** [..., ...output after the coordinates] */
  readonly updates: View
  /** [..., k]: k coordinates each, at most 4. */
  readonly indices: View
  readonly output: View
}

export declare function scatterNd(args: ScatterNdArgs): Launch
