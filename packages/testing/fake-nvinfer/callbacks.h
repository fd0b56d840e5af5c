// Calls of the objects that the library's caller provides.
#pragma once
#include <string>

#include "object.h"

namespace fake_nvinfer {

/** Of a caller's object, in this version; ends the process where the version has no such method. */
void* callback(Method method, void* object);

template <class R, class... Arguments>
R call_back(Method method, void* object, Arguments... arguments) {
  return reinterpret_cast<R (*)(void*, Arguments...)>(callback(method, object))(object, arguments...);
}

/** Does the object say of itself that it is what was asked for, in classes that have to? Logs an error where not. */
bool is_interface(Body& body, Class type, void* object);

void log(const Body& body, Severity severity, const std::string& message);
void log_to(void* logger, Severity severity, const std::string& message);
/** Logs an error as the library words it, and tells the recorder. `where` is a method: "Builder.createNetworkV2". */
void report(Body& body, ErrorCode code, const std::string& where, const std::string& message);

/** Keeps the recorder, counting the reference as its interface has it. */
void set_recorder(Body& body, void* recorder);
void release_recorder(void* recorder);

}  // namespace fake_nvinfer
