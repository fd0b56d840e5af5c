#include "abi.h"

#include <map>
#include <memory>
#include <mutex>
#include <typeinfo>
#include <vector>

namespace lowlat_trt {

namespace {

/** What type information says an object of ours is, should anybody ask: something that is none of TensorRT's classes. */
struct ProvidedObject {
  virtual ~ProvidedObject() = default;
};

uintptr_t answer_nothing() noexcept { return 0; }

template <Class interface, int32_t major>
Interface answer_interface(const void*) noexcept {
  return interfaceOf(major, interface);
}

struct InterfaceAnswer {
  Class interface;
  int32_t major;
  void* code;
};

template <Class interface>
constexpr std::array<InterfaceAnswer, 2> answers() {
  return {{{interface, 10, reinterpret_cast<void*>(answer_interface<interface, 10>)},
           {interface, 11, reinterpret_cast<void*>(answer_interface<interface, 11>)}}};
}

/** The function that answers getInterfaceInfo for a major; null where it has no such method. */
void* interface_answer(int32_t major, Class interface) {
  static const std::array<InterfaceAnswer, 2> known[] = {
      answers<Class::Logger>(),          answers<Class::Profiler>(),       answers<Class::ProgressMonitor>(),
      answers<Class::OutputAllocator>(), answers<Class::StreamReaderV2>(), answers<Class::ErrorRecorder>()};
  for (const auto& pair : known)
    for (const InterfaceAnswer& answer : pair)
      if (answer.interface == interface && answer.major == major) return answer.code;
  return nullptr;
}

/** The part of a method's name behind its class. */
bool is_named(Method method, const char* name) {
  const std::string full = methodName(method);
  return full.substr(full.find('.') + 1) == name;
}

std::mutex& mutex() {
  static std::mutex& value = *new std::mutex;
  return value;
}

}  // namespace

std::string version_text(int32_t version) {
  // Up to 9 a major was a thousand, which no such version can be mistaken for.
  const int32_t unit = version >= 100000 ? 10000 : 1000;
  return std::to_string(version / unit) + '.' + std::to_string(version % unit / 100) + '.' + std::to_string(version % 100);
}

int32_t Abi::major() const { return majorOf(version_); }

const Abi& Abi::of(int32_t version) {
  if (version < 100000 || !isKnownMajor(version)) {
    std::vector<std::string> supported;
    for (const MajorTable& table : kMajors) supported.push_back(std::to_string(table.major));
    throw Failure{"VERSION_UNSUPPORTED", "The library is TensorRT " + version_text(version) + ", whose calls are not known", {}}
        .with("version", version_text(version))
        .with("supported", supported);
  }
  static auto& known = *new std::map<int32_t, const Abi*>;
  const std::lock_guard<std::mutex> lock(mutex());
  const Abi*& abi = known[version];
  if (!abi) abi = new Abi(version);
  return *abi;
}

Abi::Abi(int32_t version) : version_(version) {
  for (int index = 0; index < kMethodCount; index++)
    slots_[static_cast<size_t>(index)] = static_cast<int16_t>(slotOf(version, static_cast<Method>(index)));
}

void Abi::unavailable(Method method) const {
  const int32_t since = sinceOf(major(), method);
  Failure failure{"CALL_UNAVAILABLE", std::string("TensorRT ") + version_text(version_) + " has no " + methodName(method), {}};
  failure.with("call", std::string(methodName(method))).with("version", version_text(version_));
  if (since > version_) failure.with("since", version_text(since));
  throw failure;
}

int32_t Abi::value(const char* enumeration, const std::string& name) const {
  int32_t value = 0;
  if (enumValue(version_, enumeration, name.c_str(), &value)) return value;
  throw Failure{"FLAG_UNSUPPORTED", "TensorRT " + version_text(version_) + " has no " + enumeration + " '" + name + "'", {}}
      .with("flag", name)
      .with("kind", std::string(enumeration))
      .with("version", version_text(version_));
}

std::string Abi::name(const char* enumeration, int32_t value) const {
  const char* found = enumName(version_, enumeration, value);
  return found ? found : std::to_string(value);
}

const void* const* Abi::vtable(Class interface, std::initializer_list<Function> functions) const {
  static auto& made = *new std::map<std::pair<int32_t, Class>, const void* const*>;
  const std::lock_guard<std::mutex> lock(mutex());
  const void* const*& entry = made[{version_, interface}];
  if (entry) return entry;
  const int count = slotCount(version_, interface);
  // Before the functions stand the offset to the whole object, zero, and the type.
  const void** table = new const void*[static_cast<size_t>(count) + 2]();
  table[1] = &typeid(ProvidedObject);
  table += 2;
  for (int slot = 0; slot < count; slot++) {
    const Method method = methodAt(version_, interface, slot);
    table[slot] = reinterpret_cast<const void*>(answer_nothing);
    if (method != Method::None && is_named(method, "getInterfaceInfo")) table[slot] = interface_answer(major(), interface);
  }
  for (const Function& function : functions) {
    const int slot = slotOf(version_, function.method);
    if (slot >= 0) table[slot] = function.code;
  }
  entry = table;
  return entry;
}

}  // namespace lowlat_trt
