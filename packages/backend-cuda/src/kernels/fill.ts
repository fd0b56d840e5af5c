import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

/** Sets every element of a view with any strides to one number. */
export declare function fill(view: View, value: number): Launch
