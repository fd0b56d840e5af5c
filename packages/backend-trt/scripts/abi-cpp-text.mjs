// @ts-check
// The parts of abi_tables.h that do not depend on the tables: how it is used, and the functions that ask the tables.

export const usage = `// Made from the tables in packages/backend-trt/abi by scripts/abi-cpp.mjs; do not edit.
//
// A version is the number that getInferLibVersion returns: 101401 for 10.14.1, 110100 for 11.1.0.
//
//   using namespace lowlat_trt;
//   if (!isKnownMajor(version)) ...                                        // no table: refuse the library
//   int slot = slotOf(version, Method::Builder_createNetworkV2);           // -1: this version does not have the method
//   int32_t since = sinceOf(majorOf(version), Method::Builder_...);        // 0: never in this major; for messages
//   void** vtable = vtableOf(Method::Builder_createNetworkV2, builder);    // of the object behind a public object, or of the object
//   void* network = reinterpret_cast<void* (*)(void*, uint32_t)>(vtable[slot])(selfOf(Method::Builder_createNetworkV2, builder), flags);
//   static_assert(isCallOf<void*, uint32_t>(Method::Builder_createNetworkV2));  // what it passes and returns, as the headers say
//   destroyPublic(network);                                                // deletes a public object (Through::Impl)
//   int destroy = slotOf(version, Method::OnnxParser_destroy);             // the same for objects with a vtable of their own
//
//   int32_t value;                                                         // names without their k
//   if (enumValue(version, "BuilderFlag", "FP16", &value)) ...
//   const char* name = enumName(version, "DataType", 7);                   // "BF16", or nullptr
//
// For objects that we provide (Through::Callback) and for the stand-in, which fills whole vtables; both work in constant expressions:
//   constexpr int slots = slotCount(version, Class::Logger);
//   constexpr Method method = methodAt(version, Class::Builder, slot);     // Method::None: a slot of a destructor, or none
//   constexpr Interface info = interfaceOf(major, Class::Logger);          // for getInterfaceInfo; kind is nullptr where it has none
//   static_assert(isImplementedBy<void, int32_t, const char*>(Method::Logger_log));   // a function of ours, without the object
//   static_assert(isTypeOf<void*, uint32_t>(major, method));              // the same, exactly, of one major
//   methodName(method)                                                     // "Builder.createNetworkV2"
// In callbacks, Class_destructor is the slot of the complete destructor and Class_destroy that of the deleting one; in objects with a
// vtable of their own Class_destroy is there too. Behind public objects (Through::Impl) slots 0 and 1 are the destructors'.
`

export const functions = `constexpr bool sameText(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

constexpr int32_t majorOf(int32_t version) { return version / 10000; }

constexpr const MajorTable* tableOf(int32_t major) {
  for (const MajorTable& table : kMajors)
    if (table.major == major) return &table;
  return nullptr;
}

constexpr bool isKnownMajor(int32_t version) { return tableOf(majorOf(version)) != nullptr; }

constexpr const char* methodName(Method method) { return method == Method::None ? "none" : kMethods[static_cast<int>(method)].name; }

constexpr const char* className(Class in) { return in == Class::None ? "none" : kClassNames[static_cast<int>(in)]; }

constexpr Class classOf(Method method) { return kMethods[static_cast<int>(method)].inClass; }

constexpr Through throughOf(Class in) { return kThrough[static_cast<int>(in)]; }

/** The version in which a major has had a method from; 0 where it never has. */
constexpr int32_t sinceOf(int32_t major, Method method) {
  const MajorTable* table = tableOf(major);
  return table ? table->slots[static_cast<int>(method)].since : 0;
}

/** The letter of a C++ type in Slot::types; structs are told by their size: Dims, Weights, Interface. */
template <class Type>
constexpr char machineType() {
  if constexpr (std::is_void_v<Type>) return 'v';
  else if constexpr (std::is_pointer_v<Type> || std::is_reference_v<Type>) return 'p';
  else if constexpr (std::is_same_v<Type, bool>) return 'b';
  else if constexpr (std::is_same_v<Type, float>) return 'f';
  else if constexpr (std::is_same_v<Type, double>) return 'd';
  else if constexpr (std::is_enum_v<Type>) return machineType<std::underlying_type_t<Type>>();
  else if constexpr (std::is_integral_v<Type> && sizeof(Type) == 4) return std::is_signed_v<Type> ? 'i' : 'u';
  else if constexpr (std::is_integral_v<Type> && sizeof(Type) == 8) return std::is_signed_v<Type> ? 'l' : 'm';
  else if constexpr (std::is_class_v<Type> && std::is_trivially_copyable_v<Type>)
    return sizeof(Type) == 72 ? 'D' : sizeof(Type) == 24 ? 'W' : sizeof(Type) == 16 ? 'I' : '-';
  else return '-';
}

/** Whether a major has a method with exactly this result and these parameters. */
template <class Result, class... Parameters>
constexpr bool isTypeOf(int32_t major, Method method) {
  const MajorTable* table = tableOf(major);
  const char* types = table && method != Method::None ? table->slots[static_cast<int>(method)].types : nullptr;
  if (!types) return false;
  const char given[] = {machineType<Result>(), machineType<Parameters>()..., '\\0'};
  return sameText(types, given);
}

/** Whether every major that has a method can be called so: exactly this type, or a number for a result that is ignored as void. */
template <class Result, class... Parameters>
constexpr bool isCallOf(Method method) {
  bool any = false;
  for (const MajorTable& table : kMajors) {
    const char* types = table.slots[static_cast<int>(method)].types;
    if (!types) continue;
    const char given[] = {machineType<Result>(), machineType<Parameters>()..., '\\0'};
    const bool ignored = std::is_void_v<Result> && *types != 'D' && *types != 'W' && *types != 'I' && *types != '?';
    if (!sameText(ignored ? types + 1 : types, ignored ? given + 1 : given)) return false;
    any = true;
  }
  return any;
}

/** Whether a function with this result and these parameters can stand for a method in every major that has it: a result may be unread. */
template <class Result, class... Parameters>
constexpr bool isImplementedBy(Method method) {
  bool any = false;
  for (const MajorTable& table : kMajors) {
    const char* types = table.slots[static_cast<int>(method)].types;
    if (!types) continue;
    const char given[] = {machineType<Result>(), machineType<Parameters>()..., '\\0'};
    const bool unread = *types == 'v' && *given != 'D' && *given != 'W' && *given != 'I' && *given != '-';
    if (!sameText(unread ? types + 1 : types, unread ? given + 1 : given)) return false;
    any = true;
  }
  return any;
}

/** The slot of a method in this very version, or -1. */
constexpr int slotOf(int32_t version, Method method) {
  const MajorTable* table = tableOf(majorOf(version));
  if (!table || method == Method::None) return -1;
  const Slot entry = table->slots[static_cast<int>(method)];
  if (entry.slot < 0 || version < entry.since) return -1;
  for (const Exception* exception = table->exceptions; exception->inClass != Class::None; exception++) {
    if (exception->inClass != classOf(method) || version < exception->from || version > exception->to) continue;
    if (exception->inserted == method) return exception->insertedAt;
    return entry.slot >= exception->insertedAt ? entry.slot + 1 : entry.slot;
  }
  return entry.slot;
}

/** The method in a slot of a class's vtable, or None: destructors behind public objects, and what the version does not have. */
constexpr Method methodAt(int32_t version, Class in, int slot) {
  for (int index = 0; index < kMethodCount; index++) {
    const Method method = static_cast<Method>(index);
    if (kMethods[index].inClass == in && slotOf(version, method) == slot) return method;
  }
  return Method::None;
}

/** How many slots a class's vtable has in this version; 0 where the version lacks the class. */
constexpr int slotCount(int32_t version, Class in) {
  int count = 0;
  for (int index = 0; index < kMethodCount; index++) {
    if (kMethods[index].inClass != in) continue;
    const int slot = slotOf(version, static_cast<Method>(index));
    if (slot >= count) count = slot + 1;
  }
  return count;
}

constexpr Interface interfaceOf(int32_t major, Class in) {
  const MajorTable* table = tableOf(major);
  return table ? table->interfaces[static_cast<int>(in)] : Interface{nullptr, 0, 0};
}

/** The value of an enumerator, named without its k; false where this version does not have it. */
constexpr bool enumValue(int32_t version, const char* name, const char* key, int32_t* value) {
  const MajorTable* table = tableOf(majorOf(version));
  if (!table) return false;
  for (const EnumValue* entry = table->enums; entry->name; entry++) {
    if (version < entry->since || !sameText(entry->name, name) || !sameText(entry->key, key)) continue;
    *value = entry->value;
    return true;
  }
  return false;
}

/** The name, without its k, of an enumerator's value; nullptr where the table has none. Of two names the first one declared. */
constexpr const char* enumName(int32_t version, const char* name, int32_t value) {
  const MajorTable* table = tableOf(majorOf(version));
  if (!table) return nullptr;
  for (const EnumValue* entry = table->enums; entry->name; entry++)
    if (entry->value == value && version >= entry->since && sameText(entry->name, name)) return entry->key;
  return nullptr;
}

/** The object whose vtable has the method, to be passed as first argument: a public object's second word, or the object itself. */
inline void* selfOf(Method method, void* object) {
  return throughOf(classOf(method)) == Through::Impl ? static_cast<void**>(object)[1] : object;
}

inline void** vtableOf(Method method, void* object) { return *static_cast<void***>(selfOf(method, object)); }

/** Where a public object that stands in front of an implementation has its deleting destructor. */
inline constexpr int kPublicDestroySlot = 1;

/** Deletes a public object in front of an implementation; for others call their own destroy method. */
inline void destroyPublic(void* object) {
  if (object) reinterpret_cast<void (*)(void*)>((*static_cast<void***>(object))[kPublicDestroySlot])(object);
}

`
