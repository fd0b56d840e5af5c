#include "parsing.h"

#include "values.h"

namespace lowlat_trt {

namespace {

std::string text(Text given) { return given ? given : ""; }

TensorDescription describe(const Abi& abi, const void* tensor, const char* mode) {
  return {text(abi.call(calls::Tensor_getName, tensor)),
          mode,
          abi.name("DataType", abi.call(calls::Tensor_getType, tensor)),
          abi.name("TensorLocation", abi.call(calls::Tensor_getLocation, tensor)),
          "",
          abi.call(calls::Tensor_getDimensions, tensor),
          abi.call(calls::Tensor_isShapeTensor, tensor)};
}

}  // namespace

std::vector<ParserError> parser_errors(const Abi& abi, const Call<int32_t>& count, const Call<const void*, int32_t>& error,
                                       const void* parser) {
  std::vector<ParserError> errors;
  const int32_t total = abi.call(count, parser);
  for (int32_t index = 0; index < total; index++) {
    const void* entry = abi.call(error, parser, index);
    if (!entry) continue;
    ParserError read;
    read.code = abi.name("ParserErrorCode", abi.call(calls::OnnxParserError_code, entry));
    read.description = text(abi.call(calls::OnnxParserError_desc, entry));
    read.file = text(abi.call(calls::OnnxParserError_file, entry));
    read.line = abi.call(calls::OnnxParserError_line, entry);
    read.node = abi.call(calls::OnnxParserError_node, entry);
    read.node_name = text(abi.call(calls::OnnxParserError_nodeName, entry));
    read.node_operator = text(abi.call(calls::OnnxParserError_nodeOperator, entry));
    const int32_t depth = abi.call(calls::OnnxParserError_localFunctionStackSize, entry);
    const Text* stack = depth > 0 ? abi.call(calls::OnnxParserError_localFunctionStack, entry) : nullptr;
    for (int32_t level = 0; stack && level < depth; level++) read.function_stack.push_back(text(stack[level]));
    errors.push_back(std::move(read));
  }
  return errors;
}

std::vector<TensorDescription> network_tensors(const Abi& abi, const void* network) {
  std::vector<TensorDescription> tensors;
  const int32_t inputs = abi.call(calls::NetworkDefinition_getNbInputs, network);
  for (int32_t index = 0; index < inputs; index++)
    tensors.push_back(describe(abi, abi.call(calls::NetworkDefinition_getInput, network, index), "input"));
  const int32_t outputs = abi.call(calls::NetworkDefinition_getNbOutputs, network);
  for (int32_t index = 0; index < outputs; index++)
    tensors.push_back(describe(abi, abi.call(calls::NetworkDefinition_getOutput, network, index), "output"));
  return tensors;
}

uint32_t flag_bits(const Abi& abi, const char* enumeration, const std::vector<std::string>& names) {
  uint32_t bits = 0;
  for (const std::string& name : names) bits |= uint32_t{1} << abi.value(enumeration, name);
  return bits;
}

Napi::Array to_array(Napi::Env env, const std::vector<TensorDescription>& tensors) {
  Napi::Array array = Napi::Array::New(env, tensors.size());
  for (uint32_t index = 0; index < tensors.size(); index++) {
    const TensorDescription& tensor = tensors[index];
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", tensor.name);
    object.Set("mode", tensor.mode);
    object.Set("dtype", tensor.dtype);
    object.Set("shape", to_array(env, tensor.shape));
    object.Set("location", tensor.location == "HOST" ? "host" : "device");
    object.Set("isShapeTensor", tensor.is_shape_tensor);
    if (!tensor.format.empty()) object.Set("format", tensor.format);
    array.Set(index, object);
  }
  return array;
}

}  // namespace lowlat_trt
