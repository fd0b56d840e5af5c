#pragma once
#include "library.h"
#include "instance.h"
#include "wrapped.h"

namespace lowlat_trt {

struct LibraryState {
  std::shared_ptr<Instance> instance;
  std::shared_ptr<Library> library;
};

/** NativeLibrary of src/native.ts. */
class LibraryObject : public Wrapped<LibraryObject, LibraryState> {
 public:
  static constexpr const char* what = "The library";
  static Napi::FunctionReference define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, const std::shared_ptr<Instance>& instance, std::shared_ptr<Library> library);

  explicit LibraryObject(const Napi::CallbackInfo& info) : Wrapped(info) {}

 private:
  Napi::Value parser_version(const Napi::CallbackInfo& info);
  Napi::Value init_plugins(const Napi::CallbackInfo& info);
  Napi::Value load_plugin_library(const Napi::CallbackInfo& info);
  Napi::Value build(const Napi::CallbackInfo& info);
  Napi::Value supports(const Napi::CallbackInfo& info);
  Napi::Value deserialize(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
};

}  // namespace lowlat_trt
