import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

/** Copies element by element between views of one shape with any strides, converting as Cast does where the dtypes differ. */
export declare function copy(from: View, to: View): Launch
