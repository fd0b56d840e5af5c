import type { Launch } from './launch.ts'
import type { View } from './view.ts'

/** A named tensor of a program: an input or output of the model, or of a step on the host. */
export interface Binding {
  readonly name: string
  /** Contiguous; row-major for inputs and outputs of the model. */
  readonly view: View
}

/** A kernel on the device. */
export interface DeviceStep {
  readonly kind: 'kernel'
  /** Names of the nodes that it computes. */
  readonly nodes: readonly string[]
  /** 'Conv+Relu' or the like. */
  readonly operator: string
  /** 'fp32', 'tf32', 'fp16', 'int8', or the dtype of what moves. */
  readonly precision: string
  readonly launch: Launch
}

/** A part of the graph that runs on another backend, between copies to and from the host. */
export interface HostStep {
  readonly kind: 'host'
  readonly nodes: readonly string[]
  /** Operators that have no kernel here, each once. */
  readonly operators: readonly string[]
  /** The part as an ONNX file whose inputs and outputs are named as below. */
  readonly model: Uint8Array
  /** Names of the weights in it: the elements of these must be there where a program is lowered again. */
  readonly constants?: readonly string[]
  /** What comes from the device, or is an input of the model; further inputs of the file are outputs of earlier host steps. */
  readonly inputs: readonly Binding[]
  /** Shapes may be known to the host alone: without a view, a host step that reads the value by name gets it directly. */
  readonly outputs: readonly { readonly name: string; readonly view?: View }[]
}

export type Step = DeviceStep | HostStep

/** What runs for one combination of input shapes; holds no address and no native object. */
export interface Program {
  readonly inputs: readonly Binding[]
  readonly outputs: readonly { readonly name: string; readonly view?: View }[]
  readonly steps: readonly Step[]
}
