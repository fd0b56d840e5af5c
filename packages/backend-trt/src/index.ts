export { createBackend } from './backend.ts'
export type {
  BuildEvent,
  BuildResult,
  ContextMemory,
  LogMessage,
  ModelBytes,
  ParserError,
  ProfileRange,
  Severity,
  SupportReport,
  TensorDescription,
  WeightStreaming,
} from './native.ts'
export type { AxisRange, Refit, TrtOptions, ValueRange } from './options.ts'
export type { AllocatedOutput, LayerTime, TensorRtContext } from './tensorrt/context.ts'
export type { TensorRtEngine } from './tensorrt/engine.ts'
export type { EngineLayer, EngineLayers, LayerTensor } from './tensorrt/layers.ts'
export type { BuildOptions, DeserializeOptions, TensorRt } from './tensorrt/library.ts'
export { openTensorRt, type TensorRtPaths } from './tensorrt/open.ts'
