// What tests set and count, beside the library's own interface.
#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "object.h"

namespace fake_nvinfer {

struct Fault {
  /** "Builder.createNetworkV2" */
  std::string name;
  uint64_t calls_left;
  /** What the recorder is told; success: nothing, the call only gives null or false. */
  ErrorCode code;
};

struct Control {
  std::mutex mutex;
  /** `held` changed, or a build was cancelled. */
  std::condition_variable changed;
  std::map<std::string, uint64_t> calls;
  std::map<Class, int64_t> alive;
  std::vector<Fault> faults;
  uint64_t faults_fired = 0;
  /** What the caller did that the real library leaves undefined. */
  std::vector<std::string> violations;
  std::string gpu_name;
  double step_ms = 0;
  int steps = 4, noise_threads = 1;
  bool refuse_capture = false, held = false;

  Control() { reset(); }
  /** Everything as at first, but for the objects that exist. */
  void reset();
};

Control& control();

void count_object(Class type, int change);
/** Counts the call of this name; what it shall fail with, if it shall. */
std::optional<ErrorCode> take_fault(const std::string& name);
void note_violation(const std::string& message);

template <class T>
T setting(T Control::* member) {
  const std::lock_guard<std::mutex> lock(control().mutex);
  return control().*member;
}

}  // namespace fake_nvinfer
