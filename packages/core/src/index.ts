export { type Clock, monotonicUs, systemClock, type Timer } from './clock.ts'
export type {
  Backend,
  CompileOptions,
  DeviceInfo,
  Dim,
  Engine,
  EngineReport,
  ExecutionContext,
  Feeds,
  Fetches,
  LayerReport,
  LayerTiming,
  LoadOptions,
  ModelSource,
  OptimizationProfile,
  Plan,
  PlanPayload,
  Precision,
  Probe,
  RunOptions,
  Segment,
  ShapeRange,
  SpanSink,
  TensorInfo,
} from './contract.ts'
export {
  allocate,
  arrayLengthOf,
  byteLengthOf,
  type DType,
  type DTypeArray,
  type DTypeInfo,
  dtypeFromOnnx,
  dtypes,
  isDType,
  viewAs,
} from './dtype.ts'
export {
  AbortError,
  BackendError,
  ConfigError,
  DeadlineError,
  DisposedError,
  type ErrorCode,
  type ErrorFields,
  ImageError,
  InputError,
  isLowlatError,
  LowlatError,
  ModelError,
  messageOf,
  QueueFullError,
} from './errors.ts'
export { bfloat16FromNumber, float16FromNumber, fromFloat32, numberFromBfloat16, numberFromFloat16 } from './float.ts'
export { type Attachment, attachment, type ImageTransform, imageTransform, RequestContext } from './request.ts'
export { type Stage, type StageLike, stageFrom } from './stage.ts'
export { isShape, type Shape, sameShape, sizeOf, Tensor } from './tensor.ts'
export { type Span, Timeline } from './timeline.ts'
