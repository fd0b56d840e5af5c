// The addon's entry: `open()` of src/native.ts.
#include <napi.h>

#include "context_object.h"
#include "engine_object.h"
#include "instance.h"
#include "library_object.h"
#include "values.h"

namespace lowlat_trt {

namespace {

LibraryPaths paths_of(const Napi::Value& value) {
  const Napi::Object object = object_of(value, "paths");
  LibraryPaths paths;
  paths.nvinfer = texts_of(object.Get("nvinfer"), "paths.nvinfer");
  paths.onnx_parser = texts_of(object.Get("onnxParser"), "paths.onnxParser");
  paths.plugin = texts_of(object.Get("plugin"), "paths.plugin");
  paths.cuda_driver = text_of(object.Get("cudaDriver"), "paths.cudaDriver");
  return paths;
}

Napi::Value open(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Instance> instance = Instance::of(info.Env());
    auto library = std::make_shared<Library>(paths_of(info[0]));
    instance->watch_exit(info.Env());
    return LibraryObject::wrap(info.Env(), instance, std::move(library));
  });
}

}  // namespace

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  const std::shared_ptr<Instance> instance = Instance::create(env);
  instance->library_class = LibraryObject::define(env);
  instance->engine_class = EngineObject::define(env);
  instance->context_class = ContextObject::define(env);
  exports.Set("open", Napi::Function::New(env, open, "open"));
  return exports;
}

}  // namespace lowlat_trt

using lowlat_trt::initialize;
NODE_API_MODULE(lowlat_trt, initialize)
