// Objects that TensorRT calls, and those of them that it may keep for longer than it says.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "../abi.h"

namespace lowlat_trt {

/** Starts as an object with virtual functions does; which they are is up to the version. */
struct Provided {
  const void* const* vtable = nullptr;
};

/** A function that stands for a method, taking the object first. */
template <Method method, class Result, class Self, class... Parameters>
Abi::Function provide(Result (*function)(Self*, Parameters...) noexcept) {
  static_assert(isImplementedBy<Result, Parameters...>(method), "not as the tables say");
  return {method, reinterpret_cast<void*>(function)};
}

/**
 * Objects that live as long as the process and are used again. TensorRT keeps the first logger that it was given as its global one
 * and may log to it whenever it likes.
 */
template <class Object>
class Immortals {
 public:
  /** Back among the unused ones after the last copy of the pointer is gone. */
  static std::shared_ptr<Object> take(const Abi& abi) {
    const void* const* vtable = Object::make_vtable(abi);
    Immortals& all = instance();
    const std::lock_guard<std::mutex> lock(all.mutex_);
    Object* object = nullptr;
    for (size_t index = 0; index < all.unused_.size() && !object; index++) {
      if (all.unused_[index]->vtable != vtable) continue;
      object = all.unused_[index];
      all.unused_.erase(all.unused_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    if (!object) {
      object = new Object;
      object->vtable = vtable;
    }
    return std::shared_ptr<Object>(object, [](Object* returned) {
      returned->forget();
      Immortals& all = instance();
      const std::lock_guard<std::mutex> lock(all.mutex_);
      all.unused_.push_back(returned);
    });
  }

 private:
  static Immortals& instance() {
    static Immortals& value = *new Immortals;
    return value;
  }
  std::mutex mutex_;
  std::vector<Object*> unused_;
};

}  // namespace lowlat_trt
