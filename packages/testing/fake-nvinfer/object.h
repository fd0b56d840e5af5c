// The objects that the library gives out: their vtables are filled by the tables of the version that is played, so that a
// caller with a wrong slot ends in a method that was not meant, or in a trap that names the slot.
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "abi_tables.h"
#include "types.h"
#include "users.h"

namespace fake_nvinfer {

using lowlat_trt::Class;
using lowlat_trt::Method;

/** As getInferLibVersion gives it. */
int32_t library_version();
/** "10.13.0" */
std::string version_text();
/** The value of an enumerator (named without its k) in this version. */
std::optional<int32_t> enumerator(const char* name, const char* key);

struct Body;

/** What a public object holds beside its vtable. */
struct PublicPart {
  void** vtable;
  struct Object* object;
};

/** Stays where it is after it was destroyed, so that later calls are noticed. */
struct Object {
  void** vtable;
  PublicPart shown;
  Class type;
  Body* body;
};

/** The state of an object; destroyed with it. */
struct Body {
  Object* object = nullptr;
  /** ILogger and IErrorRecorder of the caller; null where there is none. */
  void* logger = nullptr;
  void* recorder = nullptr;
  Users users;
  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  virtual ~Body();
};

/** Makes the object around a body; returns what the caller of the library gets. */
void* publish(Class type, Body* body);
/** The object that a caller passed; ends the process where it is none of this class, or destroyed. */
Object* object_of(Class type, const void* handle);
/** For whoever uses an object that has been destroyed: ends the process. */
[[noreturn]] void end_destroyed(const Object* object);
/** What the caller holds. */
void* handle_of(const Body& body);
/** What its deleting destructor does. */
void destroy(Object* object);
/** For whoever owns what it gave out. */
template <class T>
void destroy_all(const std::vector<T*>& handed_out) {
  for (T* body : handed_out) destroy(body->object);
}

/** Another object's body while that lives; null afterwards. */
template <class T>
class Weak {
 public:
  Weak() = default;
  Weak(T* body) : object_(body ? body->object : nullptr) {}
  operator T*() const { return object_ ? static_cast<T*>(object_->body) : nullptr; }
  T* operator->() const {
    if (!object_ || !object_->body) end_destroyed(object_);
    return *this;
  }
  /** Was there one, alive or not? */
  bool was_set() const { return object_; }

 private:
  Object* object_ = nullptr;
};

/** T has `static constexpr Class type`. */
template <class T, class... Arguments>
T* make(Arguments&&... arguments) {
  T* body = new T(std::forward<Arguments>(arguments)...);
  publish(T::type, body);
  return body;
}

template <class T>
T& body_of(const void* handle) {
  return *static_cast<T*>(object_of(T::type, handle)->body);
}

/** Calls nothing, but counts as a call of this method ("Builder.reset") of all objects that have it. */
void use_all(const std::string& method);

/** Counts a call and says whether a test wants it to fail; the failure has been reported then. */
bool enter(Method method, Body& body);

/** Results of calls that fail. */
template <class R>
R failed_result() {
  if constexpr (std::is_same_v<R, Dims>)
    return no_dims();
  else if constexpr (!std::is_void_v<R>)
    return R{};
}

/** What stands in a vtable for a method: finds the body, counts, fails where a test asks for it. */
template <auto Function>
struct Thunk;
template <class T, class R, class... Arguments, R (*Function)(T&, Arguments...)>
struct Thunk<Function> {
  inline static Method method = Method::None;
  /** Are the result and the parameters those of NVIDIA's headers, in every major? */
  static constexpr bool fits(Method declared) { return lowlat_trt::isImplementedBy<R, Arguments...>(declared); }
  static R call(Object* object, Arguments... arguments) {
    T& body = *static_cast<T*>(object->body);
    const Use use(body.users, method);
    if (enter(method, body)) return failed_result<R>();
    return Function(body, arguments...);
  }
};

void add_method(Method method, void* function);

/** Made once for every method, before main. */
template <auto Function>
struct Registered {
  explicit Registered(Method method) {
    Thunk<Function>::method = method;
    add_method(method, reinterpret_cast<void*>(&Thunk<Function>::call));
  }
};

/** `FAKE_METHOD(Builder, reset, void, (Builder & self)) { ... }` implements the method of that name in the tables. */
#define FAKE_METHOD(type, name, result, parameters)                                    \
  static result type##_##name parameters;                                              \
  static_assert(::fake_nvinfer::Thunk<&type##_##name>::fits(::fake_nvinfer::Method::type##_##name)); \
  static const ::fake_nvinfer::Registered<&type##_##name> registered_##type##_##name(  \
      ::fake_nvinfer::Method::type##_##name);                                          \
  static result type##_##name parameters

}  // namespace fake_nvinfer
