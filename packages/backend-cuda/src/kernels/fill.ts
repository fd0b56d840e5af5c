import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import { computeFor } from './copy.ts'
import { elementwise } from './elementwise.ts'

/** Sets every element of a view with any strides to one number. */
export function fill(view: View, value: number): Launch {
  const launch = elementwise({
    inputs: [],
    outputs: [view],
    program: [],
    results: [{ constant: value }],
    compute: computeFor(view.dtype),
  })
  return { ...launch, tactic: `fill ${value}` }
}
