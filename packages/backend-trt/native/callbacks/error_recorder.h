#pragma once
#include <atomic>
#include <deque>
#include <string>

#include "provided.h"

namespace lowlat_trt {

/** IErrorRecorder: keeps the first 64 errors since it was cleared. */
struct ErrorRecorder : Provided {
  static const void* const* make_vtable(const Abi& abi);
  void forget() { clear(this); }

  /** Empties it. */
  void reset() { clear(this); }
  /** `FAILED_ALLOCATION: what TensorRT said`. */
  std::vector<std::string> errors(const Abi& abi) const;
  /** Whether one of them is a failed allocation. */
  bool tells_of_memory(const Abi& abi) const;

 private:
  struct Entry {
    int32_t code;
    std::string text;
  };
  static int32_t count(const ErrorRecorder* self) noexcept;
  static int32_t code_of(const ErrorRecorder* self, int32_t index) noexcept;
  static const char* text_of(const ErrorRecorder* self, int32_t index) noexcept;
  static bool overflowed(const ErrorRecorder* self) noexcept;
  static void clear(ErrorRecorder* self) noexcept;
  static bool report(ErrorRecorder* self, int32_t code, const char* text) noexcept;
  static int32_t take(ErrorRecorder* self) noexcept;
  static int32_t release(ErrorRecorder* self) noexcept;

  mutable std::mutex mutex_;
  /** A deque: texts stay where they are while others are added. */
  std::deque<Entry> entries_;
  bool overflowed_ = false;
  /** TensorRT counts its references here; the object's life does not depend on them. */
  std::atomic<int32_t> references_{0};
};

}  // namespace lowlat_trt
