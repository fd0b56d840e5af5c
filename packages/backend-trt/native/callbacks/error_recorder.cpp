#include "error_recorder.h"

namespace lowlat_trt {

namespace {
constexpr size_t most = 64;
}

const void* const* ErrorRecorder::make_vtable(const Abi& abi) {
  return abi.vtable(Class::ErrorRecorder, {provide<Method::ErrorRecorder_getNbErrors>(count),
                                           provide<Method::ErrorRecorder_getErrorCode>(code_of),
                                           provide<Method::ErrorRecorder_getErrorDesc>(text_of),
                                           provide<Method::ErrorRecorder_hasOverflowed>(overflowed),
                                           provide<Method::ErrorRecorder_clear>(clear),
                                           provide<Method::ErrorRecorder_reportError>(report),
                                           provide<Method::ErrorRecorder_incRefCount>(take),
                                           provide<Method::ErrorRecorder_decRefCount>(release)});
}

std::vector<std::string> ErrorRecorder::errors(const Abi& abi) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> texts;
  for (const Entry& entry : entries_) texts.push_back(abi.name("ErrorCode", entry.code) + ": " + entry.text);
  return texts;
}

bool ErrorRecorder::tells_of_memory(const Abi& abi) const {
  const int32_t failed_allocation = abi.value("ErrorCode", "FAILED_ALLOCATION");
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Entry& entry : entries_)
    if (entry.code == failed_allocation) return true;
  return false;
}

int32_t ErrorRecorder::count(const ErrorRecorder* self) noexcept {
  const std::lock_guard<std::mutex> lock(self->mutex_);
  return static_cast<int32_t>(self->entries_.size());
}

int32_t ErrorRecorder::code_of(const ErrorRecorder* self, int32_t index) noexcept {
  const std::lock_guard<std::mutex> lock(self->mutex_);
  return index >= 0 && static_cast<size_t>(index) < self->entries_.size() ? self->entries_[static_cast<size_t>(index)].code : 0;
}

const char* ErrorRecorder::text_of(const ErrorRecorder* self, int32_t index) noexcept {
  const std::lock_guard<std::mutex> lock(self->mutex_);
  if (index < 0 || static_cast<size_t>(index) >= self->entries_.size()) return "";
  return self->entries_[static_cast<size_t>(index)].text.c_str();
}

bool ErrorRecorder::overflowed(const ErrorRecorder* self) noexcept {
  const std::lock_guard<std::mutex> lock(self->mutex_);
  return self->overflowed_;
}

void ErrorRecorder::clear(ErrorRecorder* self) noexcept {
  const std::lock_guard<std::mutex> lock(self->mutex_);
  self->entries_.clear();
  self->overflowed_ = false;
}

bool ErrorRecorder::report(ErrorRecorder* self, int32_t code, const char* text) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(self->mutex_);
    if (self->entries_.size() < most)
      self->entries_.push_back({code, text ? text : ""});
    else
      self->overflowed_ = true;
  } catch (const std::exception&) {
    self->overflowed_ = true;  // out of memory
  }
  return true;  // what was being done cannot go on
}

int32_t ErrorRecorder::take(ErrorRecorder* self) noexcept { return ++self->references_; }

int32_t ErrorRecorder::release(ErrorRecorder* self) noexcept { return --self->references_; }

}  // namespace lowlat_trt
