// ONNX models into networks.
#pragma once
#include <string>
#include <vector>

#include <napi.h>

#include "library.h"

namespace lowlat_trt {

/** What a parser or its refitter complains about. */
std::vector<ParserError> parser_errors(const Abi& abi, const Call<int32_t>& count, const Call<const void*, int32_t>& error, const void* parser);

/** A tensor of a network or an engine, in TensorRT's names. */
struct TensorDescription {
  std::string name, mode, dtype, location, format;
  Dims shape;
  bool is_shape_tensor;
};
Napi::Array to_array(Napi::Env env, const std::vector<TensorDescription>& tensors);

std::vector<TensorDescription> network_tensors(const Abi& abi, const void* network);

/** Flags by name, as the bits of a set. */
uint32_t flag_bits(const Abi& abi, const char* enumeration, const std::vector<std::string>& names);

}  // namespace lowlat_trt
