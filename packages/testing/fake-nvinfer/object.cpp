#include "object.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "callbacks.h"
#include "control.h"

namespace fake_nvinfer {
namespace {

constexpr int slot_limit = 128;

struct Objects {
  std::mutex mutex;
  /** By what callers hold and by the object itself. */
  std::map<const void*, Object*> by_address;
};

// Never destroyed: threads may call while the process ends.
Objects& objects() {
  static Objects* instance = new Objects;
  return *instance;
}

std::map<Method, void*>& methods() {
  static auto* instance = new std::map<Method, void*>;
  return *instance;
}

Object* known_object(const void* address) {
  const std::lock_guard<std::mutex> lock(objects().mutex);
  const auto found = objects().by_address.find(address);
  return found == objects().by_address.end() ? nullptr : found->second;
}

[[noreturn]] void end_with(const std::string& message) {
  std::fprintf(stderr, "fake nvinfer %s: %s\n", version_text().c_str(), message.c_str());
  std::abort();
}

/** Where a slot leads that has no method: `first` is the object, or where the result goes, and `second` is the object then. */
[[noreturn]] void trapped(int slot, const void* first, const void* second) {
  Object* object = known_object(first);
  if (!object) object = known_object(second);
  if (!object) end_with("slot " + std::to_string(slot) + " of an unknown object was called");
  const Method method = lowlat_trt::methodAt(library_version(), object->type, slot);
  const std::string name = method == Method::None ? std::string(lowlat_trt::className(object->type)) + " has no method there"
                                                  : std::string(lowlat_trt::methodName(method));
  const char* why = object->body ? " is not implemented" : " was called on an object that had been destroyed";
  end_with("slot " + std::to_string(slot) + " (" + name + ")" + why);
}

template <int slot>
void trap(const void* first, const void* second) {
  trapped(slot, first, second);
}

template <int... slots>
std::array<void*, slot_limit> make_traps(std::integer_sequence<int, slots...>) {
  return {reinterpret_cast<void*>(&trap<slots>)...};
}

const std::array<void*, slot_limit>& traps() {
  static const auto instance = make_traps(std::make_integer_sequence<int, slot_limit>());
  return instance;
}

void destroy_public(PublicPart* shown) { destroy(shown->object); }

/** The vtable of the objects of a class in this version. */
void** vtable_of(Class type) {
  static std::map<Class, std::array<void*, slot_limit>> tables;
  const std::lock_guard<std::mutex> lock(objects().mutex);
  const auto [entry, is_new] = tables.emplace(type, traps());
  if (is_new) {
    for (const auto& [method, function] : methods()) {
      const int slot = lowlat_trt::slotOf(library_version(), method);
      if (lowlat_trt::classOf(method) == type && slot >= 0) entry->second[static_cast<size_t>(slot)] = function;
    }
    for (int slot = 0; slot < slot_limit; slot++) {
      const Method method = lowlat_trt::methodAt(library_version(), type, slot);
      if (method == Method::None || lowlat_trt::throughOf(type) != lowlat_trt::Through::Object) continue;
      if (std::string(lowlat_trt::methodName(method)) == std::string(lowlat_trt::className(type)) + ".destroy")
        entry->second[static_cast<size_t>(slot)] = reinterpret_cast<void*>(&destroy);
    }
  }
  return entry->second.data();
}

void** public_vtable() {
  static std::array<void*, slot_limit> table = [] {
    std::array<void*, slot_limit> made = traps();
    made[lowlat_trt::kPublicDestroySlot] = reinterpret_cast<void*>(&destroy_public);
    return made;
  }();
  return table.data();
}

}  // namespace

std::string version_text() {
  const int32_t version = library_version();
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
}

std::optional<int32_t> enumerator(const char* name, const char* key) {
  int32_t value = 0;
  if (!lowlat_trt::enumValue(library_version(), name, key, &value)) return std::nullopt;
  return value;
}

void destroy(Object* object) {
  if (object->body && object->body->users.any())
    note_violation(std::string("a ") + lowlat_trt::className(object->type) + " was destroyed while a thread used it");
  delete std::exchange(object->body, nullptr);
  object->vtable = const_cast<void**>(traps().data());
  object->shown.vtable = const_cast<void**>(traps().data());
}

void add_method(Method method, void* function) { methods().emplace(method, function); }

Body::~Body() {
  release_recorder(recorder);
  count_object(object->type, -1);
}

void* publish(Class type, Body* body) {
  auto* object = new Object{vtable_of(type), {public_vtable(), nullptr}, type, body};
  object->shown.object = object;
  body->object = object;
  count_object(type, 1);
  const std::lock_guard<std::mutex> lock(objects().mutex);
  objects().by_address[object] = object;
  objects().by_address[&object->shown] = object;
  return handle_of(*body);
}

void* handle_of(const Body& body) {
  Object* object = body.object;
  return lowlat_trt::throughOf(object->type) == lowlat_trt::Through::Impl ? static_cast<void*>(&object->shown) : object;
}

Object* object_of(Class type, const void* handle) {
  Object* object = known_object(handle);
  const std::string wanted = lowlat_trt::className(type);
  if (!object) end_with("an argument that should be a " + wanted + " is none of this library's objects");
  if (object->type != type) end_with("an argument that should be a " + wanted + " is a " + lowlat_trt::className(object->type));
  if (!object->body) end_with("an argument that should be a " + wanted + " has been destroyed");
  return object;
}

void end_destroyed(const Object* object) {
  end_with(std::string("a ") + (object ? lowlat_trt::className(object->type) : "null object") + " that has been destroyed is needed");
}

void use_all(const std::string& name) {
  const std::lock_guard<std::mutex> lock(objects().mutex);
  for (const auto& [address, object] : objects().by_address) {
    if (address != object || !object->body) continue;
    for (int slot = 0; slot < lowlat_trt::slotCount(library_version(), object->type); slot++) {
      const Method method = lowlat_trt::methodAt(library_version(), object->type, slot);
      if (method != Method::None && name == lowlat_trt::methodName(method)) const Use use(object->body->users, method);
    }
  }
}

bool enter(Method method, Body& body) {
  const std::optional<ErrorCode> fault = take_fault(lowlat_trt::methodName(method));
  if (!fault) return false;
  if (*fault != ErrorCode::success) report(body, *fault, lowlat_trt::methodName(method), "failed because a test asked for it");
  return true;
}

}  // namespace fake_nvinfer
