// What the network's operators compute: shapes from shapes, and values by plain loops on the host.
#pragma once
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "graph.h"

namespace fake_nvinfer {

/** Why a node cannot be taken; with the parser's code. */
struct OperatorError : std::runtime_error {
  ParserCode code;
  OperatorError(ParserCode c, const std::string& message) : std::runtime_error(message), code(c) {}
};

/** A tensor as shapes are inferred. An input that is not there has no type. */
struct Operand {
  DataType type = DataType::none;
  Shape shape;
  /** Elements, where they are known on the host; null elsewhere. */
  const std::string* value = nullptr;
  bool exists() const { return type != DataType::none; }
};

/** A tensor as a layer runs. */
struct View {
  DataType type = DataType::none;
  Shape shape;
  void* data = nullptr;
  bool exists() const { return type != DataType::none; }
  int64_t count() const { return volume(shape); }
};

using Operands = std::vector<Operand>;
using Views = std::vector<View>;

struct Operator {
  /** LayerType, named without its k, and as the engine inspector has it. */
  const char* kind;
  /** Throws OperatorError for what the library does not take. */
  std::function<std::vector<DataType>(const Layer&, const std::vector<DataType>&)> types;
  /** Throws std::runtime_error for shapes that do not fit. */
  std::function<std::vector<Shape>(const Layer&, const Operands&)> shapes;
  std::function<void(const Layer&, const Views&, const Views&)> run;
  /** Inputs whose values decide about shapes. */
  std::vector<size_t> shape_operands;
  /** The last dimension of the result is how many elements there turn out to be; shapes give the upper bound. */
  bool data_dependent = false;
  size_t inputs_min = 1;
};

/** Null for operators that are not known. */
const Operator* find_operator(const std::string& op);
/** For operators of plugins. */
void remove_operator(const std::string& op);
struct RegisteredOperator {
  RegisteredOperator(std::initializer_list<const char*> names, Operator op);
};

// What operators share.

std::vector<float> floats_of(const View& view);
std::vector<int64_t> integers_of(const View& view);
/** Rounds to nearest even, saturates integers and cuts off fractions. */
void store(const View& view, const std::vector<float>& values);
void store(const View& view, const std::vector<int64_t>& values);
/** Elements of a shape operand. */
std::vector<int64_t> integers_of(const Operand& operand, const char* what);

std::vector<DataType> first_type(const Layer& layer, const std::vector<DataType>& types);
std::vector<Shape> first_shape(const Layer& layer, const Operands& inputs);
Shape broadcast(const Shape& a, const Shape& b);
/** Counts from the end where it is negative. Throws for axes that are not there. */
size_t axis_of(int64_t axis, size_t rank);
/** Product of dimensions from first up to, not including, last. */
int64_t product(const Shape& shape, size_t first, size_t last);
void copy_elements(const View& from, const View& to);

}  // namespace fake_nvinfer
