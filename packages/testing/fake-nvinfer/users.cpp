#include "users.h"

#include <algorithm>
#include <cstring>

#include "control.h"

namespace fake_nvinfer {
namespace {

bool is_used_by_another(const std::vector<std::thread::id>& threads) {
  const std::thread::id self = std::this_thread::get_id();
  return std::any_of(threads.begin(), threads.end(), [&](const std::thread::id& thread) { return thread != self; });
}

}  // namespace

bool Users::enter(bool modifies) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool excluded = is_used_by_another(modifying_) || (modifies && is_used_by_another(reading_));
  (modifies ? modifying_ : reading_).push_back(std::this_thread::get_id());
  return !excluded;
}

void Users::leave(bool modifies) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::thread::id>& threads = modifies ? modifying_ : reading_;
  threads.erase(std::find(threads.begin(), threads.end(), std::this_thread::get_id()));
}

bool Users::any() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !reading_.empty() || !modifying_.empty();
}

bool modifies(lowlat_trt::Method method) {
  switch (lowlat_trt::classOf(method)) {
    case Class::CudaEngine:
    case Class::Runtime:
    case Class::PluginRegistry:
    case Class::HostMemory: {
      const char* name = std::strchr(lowlat_trt::methodName(method), '.');
      return name && std::strncmp(name, ".set", 4) == 0;
    }
    default: return true;
  }
}

Use::Use(Users& users, lowlat_trt::Method method) : users_(users), modifies_(modifies(method)) {
  if (!users_.enter(modifies_)) note_violation(std::string(lowlat_trt::methodName(method)) + " was called while another thread used the object");
}

Use::~Use() { users_.leave(modifies_); }

}  // namespace fake_nvinfer
