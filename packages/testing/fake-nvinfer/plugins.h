// The plugin registry. A plugin library for this stand-in exports
//   const char* fake_nvinfer_plugin_operator();                            the ONNX operator that it is for
//   void fake_nvinfer_plugin_run(const float* x, float* y, size_t count);  which works element by element
#pragma once
#include <string>

namespace fake_nvinfer {

/** What the caller gets; one for the process. */
void* plugin_registry();
/** As in a process that has loaded none. */
void forget_plugins();
/** A handle; null with a reason. The operator is known from then on. */
void* load_plugin_library(const std::string& path, std::string& reason);

}  // namespace fake_nvinfer
