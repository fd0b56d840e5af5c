#include "callbacks.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace fake_nvinfer {
namespace {

/** 16 bytes, returned in registers. */
struct InterfaceInfo {
  const char* kind;
  int32_t major, minor;
};

const char* text_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "API Usage Error";
    case ErrorCode::invalid_config: return "Internal Error";
    case ErrorCode::failed_allocation: return "OutOfMemory";
    case ErrorCode::failed_initialization: return "Initialization Error";
    case ErrorCode::failed_execution: return "Cuda Runtime";
    case ErrorCode::invalid_state: return "API Usage Error";
    case ErrorCode::unsupported_state: return "Unsupported State";
    default: return "Internal Error";
  }
}

std::string to_cpp(const std::string& where) {
  const size_t dot = where.find('.');
  return dot == std::string::npos ? where : "I" + where.substr(0, dot) + "::" + where.substr(dot + 1);
}

}  // namespace

void* callback(Method method, void* object) {
  const int slot = lowlat_trt::slotOf(library_version(), method);
  if (slot < 0) {
    std::fprintf(stderr, "fake nvinfer %s: has no %s\n", version_text().c_str(), lowlat_trt::methodName(method));
    std::abort();
  }
  return (*static_cast<void***>(object))[slot];
}

bool is_interface(Body& body, Class type, void* object) {
  const lowlat_trt::Interface expected = lowlat_trt::interfaceOf(library_version() / 10000, type);
  if (!expected.kind) return true;
  for (int slot = 0; slot < lowlat_trt::slotCount(library_version(), type); slot++) {
    const Method method = lowlat_trt::methodAt(library_version(), type, slot);
    if (method == Method::None || !std::strstr(lowlat_trt::methodName(method), ".getInterfaceInfo")) continue;
    const auto info = call_back<InterfaceInfo>(method, object);
    if (info.kind && !std::strcmp(info.kind, expected.kind) && info.major == expected.major) return true;
    report(body, ErrorCode::invalid_argument, lowlat_trt::className(type),
           std::string("the object says that it is a ") + (info.kind ? info.kind : "null"));
    return false;
  }
  return true;
}

void log_to(void* logger, Severity severity, const std::string& message) {
  if (logger) call_back<void>(Method::Logger_log, logger, severity, message.c_str());
}

void log(const Body& body, Severity severity, const std::string& message) { log_to(body.logger, severity, message); }

void report(Body& body, ErrorCode code, const std::string& where, const std::string& message) {
  const std::string text = to_cpp(where) + ": Error Code " + std::to_string(static_cast<int>(code)) + ": " + text_of(code) + " (" +
                           message + ")";
  log(body, code == ErrorCode::internal ? Severity::internal_error : Severity::error, text);
  if (body.recorder) call_back<bool>(Method::ErrorRecorder_reportError, body.recorder, code, text.substr(0, 127).c_str());
}

void set_recorder(Body& body, void* recorder) {
  if (recorder && !is_interface(body, Class::ErrorRecorder, recorder)) return;
  if (recorder) call_back<int32_t>(Method::ErrorRecorder_incRefCount, recorder);
  release_recorder(std::exchange(body.recorder, recorder));
}

void release_recorder(void* recorder) {
  if (recorder) call_back<int32_t>(Method::ErrorRecorder_decRefCount, recorder);
}

}  // namespace fake_nvinfer
