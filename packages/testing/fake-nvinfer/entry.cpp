// The C functions of libnvinfer, and those through which the other two libraries reach this one.
#include <cstdio>

#include "builder.h"
#include "callbacks.h"
#include "control.h"
#include "engine.h"
#include "parser.h"
#include "plugins.h"

using namespace fake_nvinfer;

namespace {

/** Counts the call; false where a test wants it to fail, or the caller was compiled for another major. */
bool enter_function(const char* name, void* logger, int32_t version) {
  static const bool checked = (check_enumerators(), true);
  (void)checked;
  if (take_fault(name)) {
    log_to(logger, Severity::error, std::string(name) + " failed because a test asked for it");
    return false;
  }
  if (version / 10000 == library_version() / 10000) return true;
  log_to(logger, Severity::error, std::string(name) + ": called for version " + std::to_string(version) + ", this is " + version_text());
  return false;
}

}  // namespace

FAKE_NVINFER_API int32_t getInferLibVersion() { return library_version(); }
FAKE_NVINFER_API int32_t getInferLibMajorVersion() { return library_version() / 10000; }
FAKE_NVINFER_API int32_t getInferLibMinorVersion() { return library_version() / 100 % 100; }
FAKE_NVINFER_API int32_t getInferLibPatchVersion() { return library_version() % 100; }
FAKE_NVINFER_API int32_t getInferLibBuildVersion() { return 1; }

FAKE_NVINFER_API void* createInferBuilder_INTERNAL(void* logger, int32_t version) {
  if (!enter_function("createInferBuilder_INTERNAL", logger, version)) return nullptr;
  std::string reason;
  if (!cuda(&reason)) {
    log_to(logger, Severity::error, "CUDA initialization failure: " + reason);
    return nullptr;
  }
  auto* builder = make<Builder>();
  builder->logger = logger;
  return handle_of(*builder);
}

FAKE_NVINFER_API void* createInferRuntime_INTERNAL(void* logger, int32_t version) {
  if (!enter_function("createInferRuntime_INTERNAL", logger, version)) return nullptr;
  std::string reason;
  if (!cuda(&reason)) {
    log_to(logger, Severity::error, "CUDA initialization failure: " + reason);
    return nullptr;
  }
  auto* runtime = make<Runtime>();
  runtime->logger = logger;
  return handle_of(*runtime);
}

FAKE_NVINFER_API void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t version) {
  return enter_function("createInferRefitter_INTERNAL", logger, version) ? create_refitter(engine, logger) : nullptr;
}

/** The parser numbers itself. */
FAKE_NVINFER_API int32_t fake_nvinfer_parser_version() { return 100; }
FAKE_NVINFER_API void* getPluginRegistry() { return plugin_registry(); }
FAKE_NVINFER_API void* getBuilderPluginRegistry(int32_t) { return plugin_registry(); }

// What the parser's and the plugins' library call.

namespace {

bool is_parser_version(void* logger, int32_t version) {
  if (version == fake_nvinfer_parser_version()) return true;
  log_to(logger, Severity::error, "the parser was called for version " + std::to_string(version));
  return false;
}

}  // namespace

FAKE_NVINFER_API void* fake_nvinfer_create_parser(void* network, void* logger, int32_t version) {
  if (!is_parser_version(logger, version)) return nullptr;
  if (!take_fault("createNvOnnxParser_INTERNAL")) return create_parser(network, logger);
  log_to(logger, Severity::error, "createNvOnnxParser_INTERNAL failed because a test asked for it");
  return nullptr;
}

FAKE_NVINFER_API void* fake_nvinfer_create_parser_refitter(void* refitter, void* logger, int32_t version) {
  if (!is_parser_version(logger, version)) return nullptr;
  if (!take_fault("createNvOnnxParserRefitter_INTERNAL")) return create_parser_refitter(refitter, logger);
  log_to(logger, Severity::error, "createNvOnnxParserRefitter_INTERNAL failed because a test asked for it");
  return nullptr;
}

FAKE_NVINFER_API bool fake_nvinfer_init_plugins(void* logger) {
  if (take_fault("initLibNvInferPlugins")) return false;
  log_to(logger, Severity::verbose, "plugins registered");
  return true;
}
