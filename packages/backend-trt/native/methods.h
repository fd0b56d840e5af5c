// The calls of TensorRT that we make: class, name, result, parameters. Slots come from the tables; what this file adds is what
// crosses the call. Pointers to TensorRT's objects are `void*`; enumerators are int32_t, sets of flags uint32_t.
#pragma once
#include <cstddef>
#include <cstdint>

#include "abi_tables.h"

namespace lowlat_trt {

/** TensorRT's dimensions: 72 bytes, returned through a hidden pointer as every struct of that size. */
struct Dims {
  int32_t count;
  int64_t extents[8];
};
static_assert(sizeof(Dims) == 72);

using Text = const char*;

#define LOWLAT_TRT_METHODS(M)                                                              \
  M(Builder, createBuilderConfig, void*)                                                   \
  M(Builder, createNetworkV2, void*, uint32_t)                                             \
  M(Builder, createOptimizationProfile, void*)                                             \
  M(Builder, setErrorRecorder, void, void*)                                                \
  M(Builder, buildSerializedNetwork, void*, void*, void*)                                  \
  M(BuilderConfig, setFlags, void, uint32_t)                                               \
  M(BuilderConfig, setMemoryPoolLimit, void, int32_t, size_t)                              \
  M(BuilderConfig, setBuilderOptimizationLevel, void, int32_t)                             \
  M(BuilderConfig, setMaxAuxStreams, void, int32_t)                                        \
  M(BuilderConfig, setAvgTimingIterations, void, int32_t)                                  \
  M(BuilderConfig, setHardwareCompatibilityLevel, void, int32_t)                           \
  M(BuilderConfig, setProfilingVerbosity, void, int32_t)                                   \
  M(BuilderConfig, setPreviewFeature, void, int32_t, bool)                                 \
  M(BuilderConfig, setTacticSources, bool, uint32_t)                                       \
  M(BuilderConfig, setTilingOptimizationLevel, bool, int32_t)                              \
  M(BuilderConfig, setRuntimePlatform, void, int32_t)                                      \
  M(BuilderConfig, setPluginsToSerialize, void, const Text*, int32_t)                      \
  M(BuilderConfig, setProgressMonitor, void, void*)                                        \
  M(BuilderConfig, addOptimizationProfile, int32_t, const void*)                           \
  M(BuilderConfig, createTimingCache, void*, const void*, size_t)                          \
  M(BuilderConfig, setTimingCache, bool, const void*, bool)                                \
  M(BuilderConfig, getTimingCache, const void*)                                            \
  M(NetworkDefinition, setErrorRecorder, void, void*)                                      \
  M(NetworkDefinition, getNbInputs, int32_t)                                               \
  M(NetworkDefinition, getInput, void*, int32_t)                                           \
  M(NetworkDefinition, getNbOutputs, int32_t)                                              \
  M(NetworkDefinition, getOutput, void*, int32_t)                                          \
  M(NetworkDefinition, markWeightsRefittable, bool, Text)                                  \
  M(Tensor, getName, Text)                                                                 \
  M(Tensor, getDimensions, Dims)                                                           \
  M(Tensor, getType, int32_t)                                                              \
  M(Tensor, getLocation, int32_t)                                                          \
  M(Tensor, isShapeTensor, bool)                                                           \
  M(OptimizationProfile, setDimensions, bool, Text, int32_t, const Dims&)                  \
  M(OptimizationProfile, setShapeValues, bool, Text, int32_t, const int32_t*, int32_t)     \
  M(OptimizationProfile, setShapeValuesV2, bool, Text, int32_t, const int64_t*, int32_t)   \
  M(OptimizationProfile, isValid, bool)                                                    \
  M(TimingCache, serialize, void*)                                                         \
  M(HostMemory, data, void*)                                                               \
  M(HostMemory, size, size_t)                                                              \
  M(Runtime, deserializeCudaEngine, void*, const void*, size_t)                            \
  M(Runtime, deserializeCudaEngineV2, void*, void*)                                        \
  M(Runtime, setErrorRecorder, void, void*)                                                \
  M(Runtime, setEngineHostCodeAllowed, void, bool)                                         \
  M(CudaEngine, getName, Text)                                                             \
  M(CudaEngine, getNbLayers, int32_t)                                                      \
  M(CudaEngine, getNbOptimizationProfiles, int32_t)                                        \
  M(CudaEngine, getNbAuxStreams, int32_t)                                                  \
  M(CudaEngine, isRefittable, bool)                                                        \
  M(CudaEngine, getHardwareCompatibilityLevel, int32_t)                                    \
  M(CudaEngine, getProfilingVerbosity, int32_t)                                            \
  M(CudaEngine, getNbIOTensors, int32_t)                                                   \
  M(CudaEngine, getIOTensorName, Text, int32_t)                                            \
  M(CudaEngine, getTensorShape, Dims, Text)                                                \
  M(CudaEngine, getTensorDataType, int32_t, Text)                                          \
  M(CudaEngine, getTensorLocation, int32_t, Text)                                          \
  M(CudaEngine, isShapeInferenceIO, bool, Text)                                            \
  M(CudaEngine, getTensorIOMode, int32_t, Text)                                            \
  M(CudaEngine, getTensorFormat, int32_t, Text)                                            \
  M(CudaEngine, getProfileShape, Dims, Text, int32_t, int32_t)                             \
  M(CudaEngine, getProfileTensorValues, const int32_t*, Text, int32_t, int32_t)            \
  M(CudaEngine, getProfileTensorValuesV2, const int64_t*, Text, int32_t, int32_t)          \
  M(CudaEngine, getDeviceMemorySize, size_t)                                               \
  M(CudaEngine, getDeviceMemorySizeForProfile, size_t, int32_t)                            \
  M(CudaEngine, getDeviceMemorySizeV2, int64_t)                                            \
  M(CudaEngine, getDeviceMemorySizeForProfileV2, int64_t, int32_t)                         \
  M(CudaEngine, getStreamableWeightsSize, int64_t)                                         \
  M(CudaEngine, getWeightStreamingBudgetV2, int64_t)                                       \
  M(CudaEngine, setWeightStreamingBudgetV2, bool, int64_t)                                 \
  M(CudaEngine, getWeightStreamingAutomaticBudget, int64_t)                                \
  M(CudaEngine, getWeightStreamingScratchMemorySize, int64_t)                              \
  M(CudaEngine, setErrorRecorder, void, void*)                                             \
  M(CudaEngine, createExecutionContext, void*, int32_t)                                    \
  M(CudaEngine, createEngineInspector, void*)                                              \
  M(CudaEngine, createSerializationConfig, void*)                                          \
  M(CudaEngine, serializeWithConfig, void*, void*)                                         \
  M(SerializationConfig, setFlag, bool, int32_t)                                           \
  M(EngineInspector, setExecutionContext, bool, const void*)                               \
  M(EngineInspector, setErrorRecorder, void, void*)                                        \
  M(EngineInspector, getEngineInformation, Text, int32_t)                                  \
  M(EngineInspector, getLayerInformation, Text, int32_t, int32_t)                          \
  M(ExecutionContext, setErrorRecorder, void, void*)                                       \
  M(ExecutionContext, setOptimizationProfileAsync, bool, int32_t, void*)                   \
  M(ExecutionContext, setInputShape, bool, Text, const Dims&)                              \
  M(ExecutionContext, inferShapes, int32_t, int32_t, Text*)                                \
  M(ExecutionContext, getTensorShape, Dims, Text)                                          \
  M(ExecutionContext, getTensorStrides, Dims, Text)                                        \
  M(ExecutionContext, getMaxOutputSize, int64_t, Text)                                     \
  M(ExecutionContext, setTensorAddress, bool, Text, void*)                                 \
  M(ExecutionContext, setOutputAllocator, bool, Text, void*)                               \
  M(ExecutionContext, setDeviceMemory, void, void*)                                        \
  M(ExecutionContext, setDeviceMemoryV2, void, void*, int64_t)                             \
  M(ExecutionContext, updateDeviceMemorySizeForShapes, size_t)                             \
  M(ExecutionContext, setAuxStreams, void, void**, int32_t)                                \
  M(ExecutionContext, setPersistentCacheLimit, void, size_t)                               \
  M(ExecutionContext, setInputConsumedEvent, bool, void*)                                  \
  M(ExecutionContext, setNvtxVerbosity, bool, int32_t)                                     \
  M(ExecutionContext, enqueueV3, bool, void*)                                              \
  M(ExecutionContext, setProfiler, void, void*)                                            \
  M(ExecutionContext, setEnqueueEmitsProfile, void, bool)                                  \
  M(ExecutionContext, reportToProfiler, bool)                                              \
  M(Refitter, refitCudaEngine, bool)                                                       \
  M(Refitter, setErrorRecorder, void, void*)                                               \
  M(Refitter, getMissingWeights, int32_t, int32_t, Text*)                                  \
  M(PluginRegistry, setErrorRecorder, void, void*)                                         \
  M(PluginRegistry, getErrorRecorder, void*)                                               \
  M(PluginRegistry, loadLibrary, void*, Text)                                              \
  M(OnnxParser, destroy, void)                                                             \
  M(OnnxParser, parse, bool, const void*, size_t, Text)                                    \
  M(OnnxParser, setFlag, void, int32_t)                                                    \
  M(OnnxParser, supportsModelV2, bool, const void*, size_t, Text)                          \
  M(OnnxParser, getNbSubgraphs, int64_t)                                                   \
  M(OnnxParser, isSubgraphSupported, bool, int64_t)                                        \
  M(OnnxParser, getSubgraphNodes, int64_t*, int64_t, int64_t&)                             \
  M(OnnxParser, getUsedVCPluginLibraries, const Text*, int64_t&)                           \
  M(OnnxParser, getNbErrors, int32_t)                                                      \
  M(OnnxParser, getError, const void*, int32_t)                                            \
  M(OnnxParserError, code, int32_t)                                                        \
  M(OnnxParserError, desc, Text)                                                           \
  M(OnnxParserError, file, Text)                                                           \
  M(OnnxParserError, line, int32_t)                                                        \
  M(OnnxParserError, node, int32_t)                                                        \
  M(OnnxParserError, nodeName, Text)                                                       \
  M(OnnxParserError, nodeOperator, Text)                                                   \
  M(OnnxParserError, localFunctionStack, const Text*)                                      \
  M(OnnxParserError, localFunctionStackSize, int32_t)                                      \
  M(OnnxParserRefitter, destroy, void)                                                     \
  M(OnnxParserRefitter, refitFromBytes, bool, const void*, size_t, Text)                   \
  M(OnnxParserRefitter, getNbErrors, int32_t)                                              \
  M(OnnxParserRefitter, getError, const void*, int32_t)

/** A method with what it takes and returns. */
template <class Result, class... Parameters>
struct Call {
  Method method;
};

/** `calls::Builder_createNetworkV2` and so on: what `Abi::call` takes. */
namespace calls {
#define LOWLAT_TRT_CALL(type, name, ...)                                                                  \
  static_assert(isCallOf<__VA_ARGS__>(Method::type##_##name), "not as the tables say: " #type "." #name); \
  inline constexpr Call<__VA_ARGS__> type##_##name{Method::type##_##name};
LOWLAT_TRT_METHODS(LOWLAT_TRT_CALL)
#undef LOWLAT_TRT_CALL
}  // namespace calls

}  // namespace lowlat_trt
