// What goes wrong in native code, on its way to JavaScript: an Error with `code` and further properties.
#pragma once
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace lowlat_trt {

/** As TensorRT numbers them: 0 internal error, 1 error, 2 warning, 3 info, 4 verbose. */
enum class Severity : int { internal_error, error, warning, info, verbose };

struct LogMessage {
  Severity severity;
  std::string text;
};

/** What the ONNX parser says about a node. */
struct ParserError {
  std::string code, description, file;
  int line = 0, node = 0;
  std::string node_name, node_operator;
  std::vector<std::string> function_stack;
};

using Detail = std::variant<double, std::string, std::vector<std::string>, std::vector<LogMessage>, std::vector<ParserError>>;

/** Thrown by our own code only; it never crosses a frame of TensorRT. */
struct Failure {
  std::string code, message;
  std::vector<std::pair<std::string, Detail>> details;

  Failure& with(std::string name, Detail detail) {
    details.emplace_back(std::move(name), std::move(detail));
    return *this;
  }
};

/** What was thrown, as a failure. Call it in a catch block. */
inline Failure failure_of_exception() {
  try {
    throw;
  } catch (Failure& failure) {
    return std::move(failure);
  } catch (const std::bad_alloc&) {
    return {"OUT_OF_MEMORY", "The process has no memory left", {}};
  } catch (const std::exception& error) {
    return {"INTERNAL", error.what(), {}};
  } catch (...) {
    return {"INTERNAL", "Something was thrown that is no exception", {}};
  }
}

}  // namespace lowlat_trt
