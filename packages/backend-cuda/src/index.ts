export { type CudaBackendOptions, createBackend } from './backend.ts'
export type { CudaOptions } from './options.ts'
export type { ConstantStore, DeviceFacts } from './program/constants.ts'
export { type Argument, type Launch, type Pointer, pointerTo } from './program/launch.ts'
export type { Binding, DeviceStep, HostStep, Program, Step } from './program/program.ts'
export {
  alignUp,
  type Field,
  type FieldType,
  type StructFields,
  type StructLayout,
  structLayout,
} from './program/struct.ts'
export {
  bytesPerElement,
  channelsLastStrides,
  type DeviceBuffer,
  rowMajorStrides,
  sizeBytesOf,
  type View,
} from './program/view.ts'
