#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "callbacks.h"
#include "control.h"
#include "engine.h"
#include "plugins.h"

namespace fake_nvinfer {
namespace {

constexpr int64_t piece_bytes = 64 << 10;

using Read = std::function<int64_t(void*, int64_t)>;

/** All bytes that a reader of the caller has, in pieces. */
std::string read_all(const Read& read) {
  std::string bytes;
  for (;;) {
    const size_t before = bytes.size();
    bytes.resize(before + piece_bytes);
    const int64_t count = read(bytes.data() + before, piece_bytes);
    bytes.resize(before + static_cast<size_t>(std::max<int64_t>(count, 0)));
    if (count <= 0) return bytes;
  }
}

/** Writes the library to a file for as long as it takes to load it. */
bool load_embedded_plugin(Runtime& runtime, const std::string& bytes, std::string& reason) {
  const char* folder = std::getenv("TMPDIR");
  std::string path = (runtime.temporary_directory.empty() ? folder ? folder : "/tmp" : runtime.temporary_directory) + "/fake-plugin-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    reason = "a plugin library cannot be written to " + path;
    return false;
  }
  close(file);
  const bool loaded = load_plugin_library(path, reason) != nullptr;
  unlink(path.c_str());
  return loaded;
}

}  // namespace

Runtime::~Runtime() {
  if (!engines) return;
  log(*this, Severity::error, "the runtime is destroyed before engines that it made");
  note_violation("a runtime was destroyed before " + std::to_string(engines) + " of its engines");
}

void* deserialize(Runtime& runtime, const std::string& bytes, const char* where) {
  std::string reason;
  const auto refuse = [&](ErrorCode code, const std::string& message) {
    report(runtime, code, where, message);
    return nullptr;
  };
  if (!cuda(&reason)) return refuse(ErrorCode::failed_initialization, "CUDA cannot be used: " + reason);
  if (!has_context()) return refuse(ErrorCode::failed_initialization, "the calling thread has no CUDA context");
  std::optional<Plan> plan = read_plan(bytes, runtime.host_code_allowed, reason);
  if (!plan) return refuse(ErrorCode::invalid_argument, reason);
  for (const auto& [path, library] : plan->plugins)
    if (!load_embedded_plugin(runtime, library, reason)) return refuse(ErrorCode::invalid_argument, reason);
  for (const Layer& layer : plan->graph.layers)
    if (!find_operator(layer.op)) return refuse(ErrorCode::invalid_state, "there is no plugin for " + layer.op);
  auto* engine = make<Engine>();
  engine->logger = runtime.logger;
  engine->runtime = &runtime;
  set_recorder(*engine, runtime.recorder);
  engine->plan = std::move(*plan);
  engine->graph = std::make_shared<Graph>(engine->plan.graph);
  engine->weights_missing = engine->plan.weights_excluded;
  if (engine->plan.weight_streaming) engine->streaming_budget = engine->weight_bytes();
  engine->layer_streams = streams_of(*engine->graph, engine->plan.aux_streams);
  runtime.engines++;
  if (const int result = engine->upload()) {
    const std::string size = std::to_string(engine->weight_bytes());
    reinterpret_cast<void (*)(void*)>(engine->object->shown.vtable[lowlat_trt::kPublicDestroySlot])(&engine->object->shown);
    return refuse(result == 2 ? ErrorCode::failed_allocation : ErrorCode::failed_initialization,
                  (result == 2 ? "out of memory: " : "") + size + " bytes for weights: " + cuda_error(result));
  }
  log(runtime, Severity::info, "engine of " + std::to_string(bytes.size()) + " bytes loaded");
  return handle_of(*engine);
}

FAKE_METHOD(Runtime, deserializeCudaEngine, void*, (Runtime & self, const void* blob, size_t size)) {
  return deserialize(self, std::string(static_cast<const char*>(blob), size), "Runtime.deserializeCudaEngine");
}

/** The first interface for reading, without seeking. */
FAKE_METHOD(Runtime, deserializeCudaEngine_IStreamReader, void*, (Runtime & self, void* reader)) {
  if (!is_interface(self, Class::StreamReader, reader)) return nullptr;
  return deserialize(self, read_all([&](void* to, int64_t bytes) { return call_back<int64_t>(Method::StreamReader_read, reader, to, bytes); }),
                     "Runtime.deserializeCudaEngine");
}

namespace {

/** What lies in a plan, half of it by way of device memory, as weights come. */
class MixedReader {
 public:
  explicit MixedReader(void* reader) : reader_(reader) {}
  ~MixedReader() {
    if (stream_) cuda()->stream_destroy(stream_);
  }
  MixedReader(const MixedReader&) = delete;

  /** Of a CUresult: what there is none of ends the reading. */
  int prepare() {
    const int result = memory_.allocate(piece_bytes);
    return result ? result : cuda()->stream_create(&stream_, 1);
  }
  int64_t operator()(void* to, int64_t bytes) {
    // Pieces of odd sizes, the first on the host.
    const int64_t piece = std::min<int64_t>(bytes, reads_ ? 4096 + 13 * reads_ : 777);
    return reads_++ % 2 ? to_device(to, piece) : to_host(to, piece);
  }

 private:
  int64_t to_host(void* to, int64_t bytes) {
    take_fault("StreamReaderV2.read of the host");
    return call_back<int64_t>(Method::StreamReaderV2_read, reader_, to, bytes, static_cast<void*>(stream_));
  }
  int64_t to_device(void* to, int64_t bytes) {
    take_fault("StreamReaderV2.read of the device");
    const int64_t count = call_back<int64_t>(Method::StreamReaderV2_read, reader_, reinterpret_cast<void*>(memory_.address()), bytes, static_cast<void*>(stream_));
    if (count <= 0) return count;
    if (cuda()->stream_synchronize(stream_) || cuda()->memcpy_to_host(to, memory_.address(), static_cast<size_t>(count))) return -1;
    return count;
  }

  void* reader_;
  DeviceMemory memory_;
  Stream stream_ = nullptr;
  int reads_ = 0;
};

}  // namespace

/** Seeks, and has pieces go to the device. */
FAKE_METHOD(Runtime, deserializeCudaEngineV2, void*, (Runtime & self, void* reader)) {
  const char* where = "Runtime.deserializeCudaEngineV2";
  if (!is_interface(self, Class::StreamReaderV2, reader)) return nullptr;
  const auto seek = [&](int64_t offset, const char* from) {
    return call_back<bool>(Method::StreamReaderV2_seek, reader, offset, *enumerator("SeekPosition", from));
  };
  const auto read = [&](void* to, int64_t bytes) {
    return call_back<int64_t>(Method::StreamReaderV2_read, reader, to, bytes, static_cast<void*>(nullptr));
  };
  char first[8], again[8];
  if (read(first, 8) != 8 || !seek(-8, "CUR") || read(again, 8) != 8 || std::memcmp(first, again, 8) != 0 || !seek(0, "SET")) {
    report(self, ErrorCode::invalid_argument, where, "the reader ends too early or cannot seek");
    return nullptr;
  }
  MixedReader mixed(reader);
  if (const int result = mixed.prepare()) {
    report(self, result == 2 ? ErrorCode::failed_allocation : ErrorCode::failed_initialization, where,
           (result == 2 ? "out of memory: " : "") + cuda_error(result));
    return nullptr;
  }
  int64_t last = 0;
  const std::string bytes = read_all([&](void* to, int64_t wanted) { return last = mixed(to, wanted); });
  if (last >= 0) return deserialize(self, bytes, where);
  report(self, ErrorCode::invalid_argument, where, "the reader failed");
  return nullptr;
}

FAKE_METHOD(Runtime, setErrorRecorder, void, (Runtime & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(Runtime, getErrorRecorder, void*, (Runtime & self)) { return self.recorder; }
FAKE_METHOD(Runtime, getLogger, void*, (Runtime & self)) { return self.logger; }
FAKE_METHOD(Runtime, setEngineHostCodeAllowed, void, (Runtime & self, bool allowed)) { self.host_code_allowed = allowed; }
FAKE_METHOD(Runtime, getEngineHostCodeAllowed, bool, (Runtime & self)) { return self.host_code_allowed; }
FAKE_METHOD(Runtime, setTemporaryDirectory, void, (Runtime & self, const char* path)) { self.temporary_directory = path ? path : ""; }
FAKE_METHOD(Runtime, getTemporaryDirectory, const char*, (Runtime & self)) { return self.temporary_directory.c_str(); }
FAKE_METHOD(Runtime, setMaxThreads, bool, (Runtime & self, int32_t threads)) {
  if (threads < 1) return false;
  self.max_threads = threads;
  return true;
}
FAKE_METHOD(Runtime, getMaxThreads, int32_t, (Runtime & self)) { return self.max_threads; }
FAKE_METHOD(Runtime, getNbDLACores, int32_t, (Runtime&)) { return 0; }
FAKE_METHOD(Runtime, setDLACore, void, (Runtime & self, int32_t core)) { self.dla_core = core; }
FAKE_METHOD(Runtime, getDLACore, int32_t, (Runtime & self)) { return self.dla_core; }
FAKE_METHOD(Runtime, getPluginRegistry, void*, (Runtime&)) { return plugin_registry(); }

}  // namespace fake_nvinfer
