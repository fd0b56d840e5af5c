#include "parser.h"

#include <fstream>
#include <iterator>

#include "builder.h"
#include "callbacks.h"
#include "engine.h"

namespace fake_nvinfer {

struct ParserErrorBody : Body {
  static constexpr Class type = Class::OnnxParserError;
  ParserError error;
};

namespace {

/** Of an object with a vtable of its own, as the caller would. */
void destroy_object(Object* object, Method destroy) {
  const int slot = lowlat_trt::slotOf(library_version(), destroy);
  reinterpret_cast<void (*)(void*)>(object->vtable[slot])(object);
}

std::optional<std::string> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string text_of(const ParserError& error) {
  const std::string node = error.node < 0 ? "" : "node " + std::to_string(error.node) + " [" + error.node_name + " -> " + error.node_operator + "]: ";
  return node + error.description;
}

struct Subgraph {
  std::vector<int64_t> nodes;
  bool supported;
};

struct Parser : Body {
  static constexpr Class type = Class::OnnxParser;
  Weak<Network> network;
  uint32_t flags = 0;
  ErrorList errors;
  std::vector<Subgraph> subgraphs;

  bool fail(ParserError error) {
    errors.errors.push_back(error);
    return log_errors();
  }
  bool log_errors() {
    for (const ParserError& error : errors.errors) log(*this, Severity::error, "ModelImporter: " + text_of(error));
    return false;
  }

  bool parse(const void* bytes, size_t count, const char* path) {
    errors.clear();
    if (network->parser.was_set()) return fail({ParserCode::invalid_graph, "the network holds another model already", "", "", -1});
    std::string reason;
    const std::optional<onnx::Model> model = onnx::read_model(bytes, count, reason);
    if (!model) return fail({ParserCode::model_deserialize, reason, "", "", -1});
    Graph graph;
    if (!Importer(*model, path ? path : "").import(graph, errors.errors)) return log_errors();
    network->graph = std::move(graph);
    network->parser = this;
    return true;
  }

  /** Runs of nodes that can be taken, and of those that cannot. */
  bool supports(const void* bytes, size_t count, const char* path) {
    errors.clear();
    subgraphs.clear();
    std::string reason;
    const std::optional<onnx::Model> model = onnx::read_model(bytes, count, reason);
    if (!model) return fail({ParserCode::model_deserialize, reason, "", "", -1});
    Importer importer(*model, path ? path : "");
    for (size_t i = 0; i < model->nodes.size(); i++) {
      const std::vector<ParserError> found = importer.check_node(i);
      errors.errors.insert(errors.errors.end(), found.begin(), found.end());
      if (subgraphs.empty() || subgraphs.back().supported != found.empty()) subgraphs.push_back({{}, found.empty()});
      subgraphs.back().nodes.push_back(static_cast<int64_t>(i));
    }
    Graph graph;
    if (errors.errors.empty()) importer.import(graph, errors.errors);
    // What only shows in the whole concerns the node that it names.
    for (const ParserError& error : errors.errors)
      for (Subgraph& subgraph : subgraphs)
        for (const int64_t node : subgraph.nodes)
          if (node == error.node) subgraph.supported = false;
    return errors.errors.empty();
  }
};

struct ParserRefitter : Body {
  static constexpr Class type = Class::OnnxParserRefitter;
  Weak<Refitter> refitter;
  ErrorList errors;

  bool fail(ParserCode code, const std::string& description) {
    errors.errors.push_back({code, description, "", "", -1});
    log(*this, Severity::error, "ModelRefitter: " + description);
    return false;
  }

  /** Initializers of floats go to the weights of the same names. */
  bool refit(const void* bytes, size_t count, const char* path) {
    errors.clear();
    std::string reason;
    const std::optional<onnx::Model> model = onnx::read_model(bytes, count, reason);
    if (!model) return fail(ParserCode::model_deserialize, reason);
    Graph graph;
    if (!Importer(*model, path ? path : "").import(graph, errors.errors)) return false;
    for (const auto& [tensor, constant] : graph.constants) {
      const TensorInfo& info = graph.tensors[static_cast<size_t>(tensor)];
      const int own = refitter->engine->plan.graph.find(info.name);
      if (!is_weights(graph, tensor) || (own >= 0 && !is_refittable(refitter->engine->plan, own))) continue;
      if (!refitter->set(info.name, info.type, constant.bytes.data(), volume(constant.shape)))
        return fail(ParserCode::refit, "the weights " + info.name + " do not fit the engine");
    }
    return true;
  }
};

}  // namespace

ErrorList::~ErrorList() { clear(); }

void ErrorList::clear() {
  for (ParserErrorBody* body : handed_out) destroy_object(body->object, Method::OnnxParserError_destroy);
  handed_out.clear();
  errors.clear();
}

void* ErrorList::at(int32_t index) {
  if (index < 0 || static_cast<size_t>(index) >= errors.size()) return nullptr;
  auto* body = make<ParserErrorBody>();
  body->error = errors[static_cast<size_t>(index)];
  handed_out.push_back(body);
  return handle_of(*body);
}

void* create_parser(void* network, void* logger) {
  auto* parser = make<Parser>();
  parser->network = &body_of<Network>(network);
  parser->logger = logger;
  return handle_of(*parser);
}

void* create_parser_refitter(void* refitter, void* logger) {
  auto* parser = make<ParserRefitter>();
  parser->refitter = &body_of<Refitter>(refitter);
  parser->logger = logger;
  return handle_of(*parser);
}

FAKE_METHOD(OnnxParser, parse, bool, (Parser & self, const void* bytes, size_t count, const char* path)) { return self.parse(bytes, count, path); }
FAKE_METHOD(OnnxParser, parseFromFile, bool, (Parser & self, const char* path, int32_t)) {
  const std::optional<std::string> bytes = read_file(path);
  if (!bytes) return self.fail({ParserCode::model_deserialize, std::string("the file ") + path + " cannot be read", "", "", -1});
  return self.parse(bytes->data(), bytes->size(), path);
}
FAKE_METHOD(OnnxParser, supportsOperator, bool, (Parser&, const char* name)) { return find_operator(name) != nullptr; }
FAKE_METHOD(OnnxParser, supportsModelV2, bool, (Parser & self, const void* bytes, size_t count, const char* path)) {
  return self.supports(bytes, count, path);
}
FAKE_METHOD(OnnxParser, getNbSubgraphs, int64_t, (Parser & self)) { return static_cast<int64_t>(self.subgraphs.size()); }
FAKE_METHOD(OnnxParser, isSubgraphSupported, bool, (Parser & self, int64_t index)) {
  return self.subgraphs.at(static_cast<size_t>(index)).supported;
}
FAKE_METHOD(OnnxParser, getSubgraphNodes, int64_t*, (Parser & self, int64_t index, int64_t& length)) {
  std::vector<int64_t>& nodes = self.subgraphs.at(static_cast<size_t>(index)).nodes;
  length = static_cast<int64_t>(nodes.size());
  return nodes.data();
}
FAKE_METHOD(OnnxParser, getNbErrors, int32_t, (Parser & self)) { return static_cast<int32_t>(self.errors.errors.size()); }
FAKE_METHOD(OnnxParser, getError, void*, (Parser & self, int32_t index)) { return self.errors.at(index); }
FAKE_METHOD(OnnxParser, clearErrors, void, (Parser & self)) { self.errors.clear(); }
FAKE_METHOD(OnnxParser, setFlags, void, (Parser & self, uint32_t flags)) { self.flags = flags; }
FAKE_METHOD(OnnxParser, getFlags, uint32_t, (Parser & self)) { return self.flags; }
FAKE_METHOD(OnnxParser, setFlag, void, (Parser & self, int32_t flag)) { self.flags |= 1u << flag; }
FAKE_METHOD(OnnxParser, clearFlag, void, (Parser & self, int32_t flag)) { self.flags &= ~(1u << flag); }
FAKE_METHOD(OnnxParser, getFlag, bool, (Parser & self, int32_t flag)) { return self.flags >> flag & 1; }
FAKE_METHOD(OnnxParser, getUsedVCPluginLibraries, void*, (Parser&, int64_t& count)) {
  count = 0;
  return nullptr;
}

FAKE_METHOD(OnnxParserError, code, ParserCode, (ParserErrorBody & self)) { return self.error.code; }
FAKE_METHOD(OnnxParserError, desc, const char*, (ParserErrorBody & self)) { return self.error.description.c_str(); }
FAKE_METHOD(OnnxParserError, file, const char*, (ParserErrorBody&)) { return "importer.cpp"; }
FAKE_METHOD(OnnxParserError, line, int32_t, (ParserErrorBody & self)) { return 100 + static_cast<int32_t>(self.error.code); }
FAKE_METHOD(OnnxParserError, func, const char*, (ParserErrorBody&)) { return "import"; }
FAKE_METHOD(OnnxParserError, node, int32_t, (ParserErrorBody & self)) { return self.error.node; }
FAKE_METHOD(OnnxParserError, nodeName, const char*, (ParserErrorBody & self)) { return self.error.node_name.c_str(); }
FAKE_METHOD(OnnxParserError, nodeOperator, const char*, (ParserErrorBody & self)) { return self.error.node_operator.c_str(); }
FAKE_METHOD(OnnxParserError, localFunctionStack, const char* const*, (ParserErrorBody&)) { return nullptr; }
FAKE_METHOD(OnnxParserError, localFunctionStackSize, int32_t, (ParserErrorBody&)) { return 0; }

FAKE_METHOD(OnnxParserRefitter, refitFromBytes, bool, (ParserRefitter & self, const void* bytes, size_t count, const char* path)) {
  return self.refit(bytes, count, path);
}
FAKE_METHOD(OnnxParserRefitter, refitFromFile, bool, (ParserRefitter & self, const char* path)) {
  const std::optional<std::string> bytes = read_file(path);
  return bytes ? self.refit(bytes->data(), bytes->size(), path)
               : self.fail(ParserCode::model_deserialize, std::string("the file ") + path + " cannot be read");
}
FAKE_METHOD(OnnxParserRefitter, getNbErrors, int32_t, (ParserRefitter & self)) { return static_cast<int32_t>(self.errors.errors.size()); }
FAKE_METHOD(OnnxParserRefitter, getError, void*, (ParserRefitter & self, int32_t index)) { return self.errors.at(index); }
FAKE_METHOD(OnnxParserRefitter, clearErrors, void, (ParserRefitter & self)) { self.errors.clear(); }

}  // namespace fake_nvinfer
