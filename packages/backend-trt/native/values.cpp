#include "values.h"

#include <cmath>

#include "events.h"
#include "file.h"

namespace lowlat_trt {

namespace {

constexpr double largest_exact = 9007199254740992.0;

Napi::Object to_object(Napi::Env env, const ParserError& error) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("code", error.code);
  object.Set("description", error.description);
  object.Set("file", error.file);
  object.Set("line", error.line);
  object.Set("node", error.node);
  object.Set("nodeName", error.node_name);
  object.Set("nodeOperator", error.node_operator);
  object.Set("functionStack", to_array(env, error.function_stack));
  return object;
}

template <class Item>
Napi::Array to_objects(Napi::Env env, const std::vector<Item>& items) {
  Napi::Array array = Napi::Array::New(env, items.size());
  for (uint32_t index = 0; index < items.size(); index++) array.Set(index, to_object(env, items[index]));
  return array;
}

struct ToValue {
  Napi::Env env;
  Napi::Value operator()(double value) const { return Napi::Number::New(env, value); }
  Napi::Value operator()(const std::string& value) const { return Napi::String::New(env, value); }
  Napi::Value operator()(const std::vector<std::string>& value) const { return to_array(env, value); }
  Napi::Value operator()(const std::vector<LogMessage>& value) const { return to_objects(env, value); }
  Napi::Value operator()(const std::vector<ParserError>& value) const { return to_objects(env, value); }
};

Napi::Array array_of(const Napi::Value& value, const std::string& argument) {
  if (!value.IsArray()) throw invalid(argument, "an array");
  return value.As<Napi::Array>();
}

}  // namespace

Failure invalid(const std::string& argument, const std::string& expected) {
  return Failure{"INVALID_ARGUMENT", "Expected " + expected + " as " + argument, {}}
      .with("argument", argument)
      .with("expected", expected);
}

bool is_given(const Napi::Value& value) { return !value.IsUndefined(); }

Napi::Object object_of(const Napi::Value& value, const std::string& argument) {
  if (!value.IsObject() || value.IsArray() || value.IsFunction()) throw invalid(argument, "an object");
  return value.As<Napi::Object>();
}

Napi::Function function_of(const Napi::Value& value, const std::string& argument) {
  if (!value.IsFunction()) throw invalid(argument, "a function");
  return value.As<Napi::Function>();
}

std::string text_of(const Napi::Value& value, const std::string& argument) {
  if (!value.IsString()) throw invalid(argument, "a string");
  const std::string text = value.As<Napi::String>();
  if (text.find('\0') != std::string::npos) throw invalid(argument, "a string without zero characters");
  return text;
}

bool flag_of(const Napi::Value& value, const std::string& argument) {
  if (!value.IsBoolean()) throw invalid(argument, "true or false");
  return value.As<Napi::Boolean>();
}

int64_t integer_of(const Napi::Value& value, const std::string& argument, int64_t least, int64_t most) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(std::trunc(number) == number && number >= static_cast<double>(least) && number <= static_cast<double>(most)))
    throw invalid(argument, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  return static_cast<int64_t>(number);
}

int32_t int32_of(const Napi::Value& value, const std::string& argument, int32_t least) {
  return static_cast<int32_t>(integer_of(value, argument, least, INT32_MAX));
}

uint64_t size_of(const Napi::Value& value, const std::string& argument) {
  return static_cast<uint64_t>(integer_of(value, argument, 0, static_cast<int64_t>(largest_exact) - 1));
}

void* pointer_of(const Napi::Value& value, const std::string& argument) {
  return reinterpret_cast<void*>(size_of(value, argument));
}

std::vector<std::string> texts_of(const Napi::Value& value, const std::string& argument) {
  const Napi::Array array = array_of(value, argument);
  std::vector<std::string> texts;
  for (uint32_t index = 0; index < array.Length(); index++)
    texts.push_back(text_of(array.Get(index), argument + "[" + std::to_string(index) + "]"));
  return texts;
}

std::vector<int64_t> integers_of(const Napi::Value& value, const std::string& argument) {
  const Napi::Array array = array_of(value, argument);
  const auto most = static_cast<int64_t>(largest_exact) - 1;
  std::vector<int64_t> integers;
  for (uint32_t index = 0; index < array.Length(); index++)
    integers.push_back(integer_of(array.Get(index), argument + "[" + std::to_string(index) + "]", -most, most));
  return integers;
}

Dims dims_of(const Napi::Value& value, const std::string& argument) {
  const std::vector<int64_t> extents = integers_of(value, argument);
  Dims dims{static_cast<int32_t>(extents.size()), {}};
  if (extents.size() > std::size(dims.extents)) throw invalid(argument, "at most 8 dimensions");
  for (size_t index = 0; index < extents.size(); index++) dims.extents[index] = extents[index];
  return dims;
}

Source source_of(const Napi::Value& value, const std::string& argument, std::vector<Napi::ObjectReference>& retained) {
  Napi::Value bytes = value;
  if (!value.IsTypedArray()) {
    const Napi::Object object = object_of(value, argument);
    if (is_given(object.Get("path"))) return {nullptr, 0, text_of(object.Get("path"), argument + ".path")};
    bytes = object.Get("bytes");
  }
  if (!bytes.IsTypedArray() || bytes.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw invalid(argument, "a Uint8Array or the path of a file");
  const auto array = bytes.As<Napi::Uint8Array>();
  retained.push_back(Napi::Persistent(bytes.As<Napi::Object>()));
  return {array.Data(), array.ByteLength(), ""};
}

SourceBytes::SourceBytes(const Source& source) : data_(source.data), size_(source.size) {
  if (source.path.empty()) return;
  const File file = open_file(source.path);
  const off_t size = fseeko(file.get(), 0, SEEK_END) == 0 ? ftello(file.get()) : -1;
  if (size < 0 || fseeko(file.get(), 0, SEEK_SET) != 0) throw unreadable(source.path);
  contents_.resize(static_cast<size_t>(size));
  if (std::fread(&contents_[0], 1, contents_.size(), file.get()) != contents_.size()) throw unreadable(source.path);
  data_ = contents_.data();
  size_ = contents_.size();
}

Napi::Array to_array(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (uint32_t index = 0; index < texts.size(); index++) array.Set(index, texts[index]);
  return array;
}

Napi::Value to_array(Napi::Env env, const Dims& dims) {
  if (dims.count < 0 || dims.count > static_cast<int32_t>(std::size(dims.extents))) return env.Null();
  Napi::Array array = Napi::Array::New(env, static_cast<size_t>(dims.count));
  for (uint32_t index = 0; index < static_cast<uint32_t>(dims.count); index++)
    array.Set(index, static_cast<double>(dims.extents[index]));
  return array;
}

Napi::Number to_number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

Napi::Error to_error(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  for (const auto& [name, detail] : failure.details) error.Set(name, std::visit(ToValue{env}, detail));
  return error;
}

}  // namespace lowlat_trt
