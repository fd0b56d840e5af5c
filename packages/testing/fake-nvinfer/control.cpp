#include "control.h"

#include <cstdio>
#include <cstring>

#include "plugins.h"

namespace fake_nvinfer {

void Control::reset() {
  calls.clear();
  faults.clear();
  violations.clear();
  faults_fired = 0;
  gpu_name.clear();
  step_ms = 0;
  steps = 4;
  noise_threads = 1;
  refuse_capture = held = false;
}

Control& control() {
  // Never destroyed: threads may use it while the process ends.
  static Control* instance = new Control;
  return *instance;
}

void count_object(Class type, int change) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().alive[type] += change;
}

std::optional<ErrorCode> take_fault(const std::string& name) {
  Control& c = control();
  const std::lock_guard<std::mutex> lock(c.mutex);
  c.calls[name]++;
  for (size_t i = c.faults.size(); i-- > 0;) {
    if (c.faults[i].name != name || --c.faults[i].calls_left) continue;
    const ErrorCode code = c.faults[i].code;
    c.faults_fired++;
    c.faults.erase(c.faults.begin() + static_cast<std::ptrdiff_t>(i));
    return code;
  }
  return std::nullopt;
}

void note_violation(const std::string& message) {
  std::fprintf(stderr, "fake nvinfer: %s\n", message.c_str());
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().violations.push_back(message);
}

namespace {

/** Returns the bytes needed; writes at most `size`, ended by a zero byte. */
double copy_text(const std::string& text, char* target, double size) {
  if (static_cast<double>(text.size()) < size) std::memcpy(target, text.c_str(), text.size() + 1);
  return static_cast<double>(text.size() + 1);
}

}  // namespace
}  // namespace fake_nvinfer

using namespace fake_nvinfer;

/** Objects of a class ("Builder") that were not destroyed, or of all for an empty name. */
FAKE_NVINFER_API double fake_nvinfer_alive(const char* name) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  int64_t sum = 0;
  for (const auto& [type, count] : control().alive)
    if (!*name || !std::strcmp(name, lowlat_trt::className(type))) sum += count;
  return static_cast<double>(sum);
}

/** Calls since the start or the last reset of a method ("Builder.createNetworkV2"), or of all for an empty name. */
FAKE_NVINFER_API double fake_nvinfer_calls(const char* name) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  uint64_t sum = 0;
  for (const auto& [called, count] : control().calls)
    if (!*name || called == name) sum += count;
  return static_cast<double>(sum);
}

/** Lines of a method, a space and a count. */
FAKE_NVINFER_API double fake_nvinfer_call_log(char* text, double size) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  std::string log;
  for (const auto& [called, count] : control().calls) log += called + " " + std::to_string(count) + "\n";
  return copy_text(log, text, size);
}

/** Lines. */
FAKE_NVINFER_API double fake_nvinfer_violations(char* text, double size) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  std::string lines;
  for (const std::string& violation : control().violations) lines += violation + "\n";
  return copy_text(lines, text, size);
}

FAKE_NVINFER_API void fake_nvinfer_fail_call(const char* name, double n, int code) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().faults.push_back({name, static_cast<uint64_t>(n), static_cast<ErrorCode>(code)});
}

FAKE_NVINFER_API double fake_nvinfer_faults_fired() {
  return static_cast<double>(setting(&Control::faults_fired));
}

/** How builds go: steps per phase, how long each takes, and how many threads log meanwhile. */
FAKE_NVINFER_API void fake_nvinfer_set_build(int steps, double step_ms, int noise_threads) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().steps = steps;
  control().step_ms = step_ms;
  control().noise_threads = noise_threads;
}

/** What plans and timing caches are made for; empty: the name that the driver gives. */
FAKE_NVINFER_API void fake_nvinfer_set_gpu_name(const char* name) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().gpu_name = name;
}

FAKE_NVINFER_API void fake_nvinfer_refuse_capture(int refuse) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().refuse_capture = refuse != 0;
}

/** As if another thread of the caller called a method ("Builder.reset") of all objects that have it. */
FAKE_NVINFER_API void fake_nvinfer_use(const char* method) { use_all(method); }

/** Plugin libraries count as not loaded; engines that use them must be gone. */
FAKE_NVINFER_API void fake_nvinfer_forget_plugins() { forget_plugins(); }

/** Held, builds wait at their next step. */
FAKE_NVINFER_API void fake_nvinfer_hold(int held) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().held = held != 0;
  control().changed.notify_all();
}

/** Nothing counted, injected or set; objects stay. */
FAKE_NVINFER_API void fake_nvinfer_reset() {
  const std::lock_guard<std::mutex> lock(control().mutex);
  control().reset();
  control().changed.notify_all();
}
