// The ONNX parser: makes graphs of models, and says what it cannot take.
#pragma once
#include <string>
#include <vector>

#include "graph.h"
#include "object.h"
#include "onnx.h"
#include "operators.h"

namespace fake_nvinfer {

struct ParserError {
  ParserCode code = ParserCode::success;
  std::string description, node_name, node_operator;
  int node = -1;
};

/** Makes a graph of a model, or all errors that stand in the way. */
class Importer {
 public:
  Importer(const onnx::Model& model, std::string path) : model_(model), path_(std::move(path)) {}
  /** What is wrong with a node, seen by itself; empty for those that can be taken. */
  std::vector<ParserError> check_node(size_t node) const;
  bool import(Graph& graph, std::vector<ParserError>& errors);

 private:
  const onnx::Model& model_;
  std::string path_;
  int add_tensor(Graph& graph, const std::string& name, DataType type, Shape shape);
  void add_constant(Graph& graph, const std::string& name, const onnx::Tensor& tensor);
  void add_node(Graph& graph, size_t index);
  void declare_outputs(Graph& graph);
};

/** Whoever reads a model keeps its errors. */
struct ErrorList {
  std::vector<ParserError> errors;
  std::vector<struct ParserErrorBody*> handed_out;
  ~ErrorList();
  void clear();
  /** What the caller gets; null where there is no such error. */
  void* at(int32_t index);
};

void* create_parser(void* network, void* logger);
void* create_parser_refitter(void* refitter, void* logger);

}  // namespace fake_nvinfer
