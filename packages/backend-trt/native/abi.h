// Calls into TensorRT's objects through the slots of the tables, and the values of its enumerators.
#pragma once
#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "failure.h"
#include "methods.h"

namespace lowlat_trt {

std::string version_text(int32_t version);

/** How the loaded version of TensorRT is to be called. Immutable, one per version, never freed. */
class Abi {
 public:
  /** @throws Failure VERSION_UNSUPPORTED {version, supported}. */
  static const Abi& of(int32_t version);

  /** As getInferLibVersion returns it: 101601. */
  int32_t version() const { return version_; }
  int32_t major() const;

  /** @throws Failure CALL_UNAVAILABLE where this version has no such method, or the object's slot is empty. */
  template <class Result, class... Parameters, class... Arguments>
  Result call(const Call<Result, Parameters...>& call, const void* object, Arguments&&... arguments) const {
    const int slot = slots_[static_cast<size_t>(call.method)];
    if (slot < 0) unavailable(call.method);
    void* self = selfOf(call.method, const_cast<void*>(object));
    void* code = (*static_cast<void***>(self))[slot];
    if (!code) unavailable(call.method);
    return reinterpret_cast<Result (*)(void*, Parameters...)>(code)(self, static_cast<Arguments&&>(arguments)...);
  }

  template <class Result, class... Parameters>
  bool has(const Call<Result, Parameters...>& call) const {
    return slots_[static_cast<size_t>(call.method)] >= 0;
  }

  /** Value of an enumerator by its name without the `k`. @throws Failure FLAG_UNSUPPORTED {flag, kind, version}. */
  int32_t value(const char* enumeration, const std::string& name) const;
  /** Name of an enumerator in TensorRT's spelling without the `k`; the number where the tables have none. */
  std::string name(const char* enumeration, int32_t value) const;
  /** A method of an interface that we provide, and the function that stands for it: it takes the object first. */
  struct Function {
    Method method;
    void* code;
  };
  /**
   * What an object of an interface that we provide starts with. Methods without a function answer zero, false or null; what the
   * interface is called, and destructors that do nothing, are there already. Made once per version and interface, never freed.
   */
  const void* const* vtable(Class interface, std::initializer_list<Function> functions) const;
  bool has_interface(Class interface) const { return slotCount(version_, interface) > 0; }

 private:
  explicit Abi(int32_t version);
  [[noreturn]] void unavailable(Method method) const;

  int32_t version_;
  std::array<int16_t, kMethodCount> slots_;
};

/** Owns an object that stands in front of an implementation. */
class Owned {
 public:
  Owned() = default;
  explicit Owned(void* object) : object_(object) {}
  Owned(Owned&& other) noexcept : object_(other.release()) {}
  Owned& operator=(Owned&& other) noexcept {
    if (this != &other) {
      reset();
      object_ = other.release();
    }
    return *this;
  }
  ~Owned() { reset(); }
  void* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  void* release() {
    void* object = object_;
    object_ = nullptr;
    return object;
  }
  void reset() { destroyPublic(release()); }

 private:
  void* object_ = nullptr;
};

}  // namespace lowlat_trt
