export { onAbort, throwIfAborted, workAborted } from './abort.ts'
export { type BackendInput, knownBackends, resolveBackend } from './backends.ts'
export { Batcher } from './batcher.ts'
export type { BatcherOptions } from './batcher-options.ts'
export { type Clock, monotonicUs, systemClock, type Timer } from './clock.ts'
export type { PoolStats } from './context-pool.ts'
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
  FileStamp,
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
export { createSession, createSessionFromFile } from './create-session.ts'
export { disposeAll } from './dispose.ts'
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
  describeValue,
  type ErrorCode,
  type ErrorFields,
  ImageError,
  InputError,
  isLowlatError,
  LowlatError,
  ModelError,
  messageOf,
  QueueFullError,
  withoutRemedy,
} from './errors.ts'
export { feedList, type NamedTensor } from './feed-list.ts'
export { checkInsideProfile } from './feeds.ts'
export { bfloat16FromNumber, float16FromNumber, fromFloat32, numberFromBfloat16, numberFromFloat16 } from './float.ts'
export { type InferOptions, type InferTensorOptions, infer, inferFeeds } from './infer.ts'
export { flagKnob, integerKnob, type Knob, listKnobs, stringKnob } from './knobs.ts'
export { isUnchanged, type ModelInput, modelSourceFrom, readModel, sha256Of, stampOf } from './model-source.ts'
export {
  booleanRule,
  checkArgument,
  checkOptions,
  finiteRule,
  functionRule,
  integerRule,
  invalidConfig,
  listRule,
  nameRule,
  type Rule,
  type RulesFor,
  signalRule,
  spanSinkRule,
  tensorRule,
} from './options.ts'
export { Pipeline, pipeline } from './pipeline.ts'
export { type CacheRejection, type LeasedPlan, PlanCache, type PlanKeyParts } from './plan-cache.ts'
export { payloadFileName } from './plan-entry.ts'
export { type Place, PriorityQueue } from './priority-queue.ts'
export { checkProfiles, isInsideProfile } from './profiles.ts'
export { type Attachment, attachment, type ImageTransform, imageTransform, RequestContext } from './request.ts'
export {
  boundsRules,
  checkBounds,
  type RequestBounds,
  type RequestOptions,
  settleWithin,
  watchBounds,
} from './request-options.ts'
export { type BackendChoice, Session, type SessionRunOptions } from './session.ts'
export type { CacheOptions, SessionOptions } from './session-options.ts'
export { type Stage, type StageLike, stageFrom } from './stage.ts'
export type { StreamOptions } from './stream.ts'
export { isShape, type Shape, sameShape, sizeOf, Tensor } from './tensor.ts'
export { type Span, Timeline } from './timeline.ts'
