import type { DType, ModelError, TensorInfo } from '@lowlat/core'
import type { TensorDescription } from '../native.ts'
import { damaged } from '../plan-facts.ts'
import { dtypeFromTensorRt } from '../tensorrt/dtypes.ts'

export interface IoTensor {
  readonly name: string
  readonly dtype: DType
  /** Whether TensorRT reads or writes it in host memory, while a run is enqueued: shapes, and what is computed from them. */
  readonly onHost: boolean
}

/** The inputs and outputs of an engine in the plan's order. */
export class EngineIo {
  readonly inputs: readonly IoTensor[]
  readonly outputs: readonly IoTensor[]
  /** Whether some tensor is on the host. What is in there is not part of a CUDA graph. */
  readonly usesHost: boolean

  /** @throws ModelError PLAN_INVALID for an engine that is not what its plan says. */
  constructor(
    plan: { readonly inputs: readonly TensorInfo[]; readonly outputs: readonly TensorInfo[] },
    tensors: readonly TensorDescription[],
  ) {
    const find = (mode: TensorDescription['mode']) => (info: TensorInfo) => ioTensor(info, mode, tensors)
    this.inputs = plan.inputs.map(find('input'))
    this.outputs = plan.outputs.map(find('output'))
    this.usesHost = [...this.inputs, ...this.outputs].some(({ onHost }) => onHost)
    const unknown = tensors.filter(({ name }) => ![...this.inputs, ...this.outputs].some((io) => io.name === name))
    if (unknown.length > 0) throw damaged(`its engine also has ${unknown.map(({ name }) => `'${name}'`).join(', ')}`)
  }
}

function ioTensor(
  { name, dtype }: TensorInfo,
  mode: TensorDescription['mode'],
  tensors: readonly TensorDescription[],
): IoTensor {
  const found = tensors.find((tensor) => tensor.name === name && tensor.mode === mode)
  if (!found) throw damaged(`its engine has no ${mode} '${name}'`)
  if (dtypeFromTensorRt(found.dtype) !== dtype) throw otherType(name, dtype, found.dtype)
  return { name, dtype, onHost: found.location === 'host' }
}

function otherType(name: string, expected: string, received: string): ModelError {
  return damaged(`'${name}' is ${received} in its engine, and should be ${expected}`, received)
}
