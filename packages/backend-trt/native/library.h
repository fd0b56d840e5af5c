// TensorRT's three libraries, opened by one environment.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "abi.h"
#include "callbacks/error_recorder.h"
#include "callbacks/logger.h"
#include "cuda.h"
#include "dynamic_library.h"

namespace lowlat_trt {

struct LibraryPaths {
  std::vector<std::string> nvinfer, onnx_parser, plugin;
  std::string cuda_driver;
};

/** Safe to use from several threads. */
class Library {
 public:
  /** @throws Failure LIBRARY_MISSING, SYMBOL_MISSING, VERSION_UNSUPPORTED. */
  explicit Library(LibraryPaths paths);

  const Abi& abi() const { return *abi_; }
  const std::string& path() const { return nvinfer_.path(); }
  /** Opened when it is first needed. @throws Failure LIBRARY_MISSING, SYMBOL_MISSING. */
  const Cuda& cuda();
  /** As it numbers itself; nothing until it was needed. */
  std::optional<int> parser_version();

  /** New objects of TensorRT. @throws Failure REFUSED {call, log} where it gives none: what was logged since the mark. */
  Owned builder(Logger& logger, const LogSink& sink);
  Owned runtime(Logger& logger, const LogSink& sink);
  Owned refitter(void* engine, Logger& logger, const LogSink& sink, uint64_t since);
  /** Not owned: to be destroyed with its own `destroy`. */
  void* parser(void* network, Logger& logger, const LogSink& sink);
  void* parser_refitter(void* refitter, Logger& logger, const LogSink& sink, uint64_t since);

  /** Registers the plugins of NVIDIA's plugin library. @throws Failure LIBRARY_MISSING, SYMBOL_MISSING. */
  bool init_plugins();
  /** Once in the process, however often it is asked for. @throws Failure PLUGIN_FAILED {library, errors, log}. */
  void load_plugins(const std::string& path);

  /** Logger of what belongs to no builder or runtime. */
  LogSink& sink() { return *sink_; }

  /** JavaScript's thread: jobs and engines. */
  int32_t users = 0;

 private:
  const DynamicLibrary& parser_library();

  const LibraryPaths paths_;
  const DynamicLibrary nvinfer_;
  const Abi* abi_ = nullptr;
  const std::shared_ptr<LogSink> sink_ = std::make_shared<LogSink>(nullptr, Severity::warning);
  std::shared_ptr<Logger> logger_;
  std::mutex mutex_;
  std::optional<DynamicLibrary> parser_, plugin_;
  std::optional<Cuda> cuda_;
};

/** An object of the parser's library. */
class OwnedParser {
 public:
  OwnedParser(const Abi& abi, const Call<void>& destroy, void* object) : abi_(abi), destroy_(destroy), object_(object) {}
  OwnedParser(const OwnedParser&) = delete;
  ~OwnedParser() { abi_.call(destroy_, object_); }
  void* get() const { return object_; }

 private:
  const Abi& abi_;
  const Call<void>& destroy_;
  void* object_;
};

}  // namespace lowlat_trt
