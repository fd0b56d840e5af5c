/** Calls of TensorRT on the way to a first run, with the code of the error that each of them leads to when it fails. */
export const failingCalls = [
  ['createInferBuilder_INTERNAL', 'RUN_FAILED'],
  ['Builder.createNetworkV2', 'MODEL_UNSUPPORTED'],
  ['Builder.createBuilderConfig', 'MODEL_UNSUPPORTED'],
  ['createNvOnnxParser_INTERNAL', 'RUN_FAILED'],
  ['OnnxParser.parse', 'MODEL_UNSUPPORTED'],
  ['OptimizationProfile.setDimensions', 'PROFILE_INVALID'],
  ['Builder.buildSerializedNetwork', 'MODEL_UNSUPPORTED'],
  ['createInferRuntime_INTERNAL', 'RUN_FAILED'],
  ['CudaEngine.createExecutionContext', 'RUN_FAILED'],
  ['ExecutionContext.setOptimizationProfileAsync', 'RUN_FAILED'],
  ['ExecutionContext.setTensorAddress', 'RUN_FAILED'],
  ['ExecutionContext.enqueueV3', 'RUN_FAILED'],
] as const
