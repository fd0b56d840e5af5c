// What an engine consists of, as JSON of the real inspector's general shape or as lines.
#include "inspector.h"

#include "callbacks.h"
#include "context.h"

namespace fake_nvinfer {
namespace {

struct Inspector : Body {
  static constexpr Class type = Class::EngineInspector;
  Weak<Engine> engine;
  Weak<Context> context;
  /** Keeps what was given valid. */
  std::string text;
};

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < ' ') {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      result += escape;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

/** CONVOLUTION as Convolution. */
std::string kind_of(const Layer& layer) {
  std::string kind;
  bool starts = true;
  for (const char c : std::string(find_operator(layer.op)->kind)) {
    if (c == '_') starts = true;
    else kind += starts ? c : static_cast<char>(c | 0x20);
    if (c != '_') starts = false;
  }
  return kind;
}

/** With a context that has its inputs: shapes as they are, else as the engine has them. */
std::string tensors(const Inspector& self, const Layer& layer, const std::vector<int>& indices) {
  const Graph& graph = self.engine->plan.graph;
  const Inference* inference = self.context ? self.context->inference.get() : nullptr;
  std::string json;
  for (const int index : indices) {
    if (index < 0 || graph.constants.count(index)) continue;
    const TensorInfo& info = graph.tensors[static_cast<size_t>(index)];
    const DataType type = layer.rounded_to == DataType::none || !is_float(info.type) ? info.type : layer.rounded_to;
    json += (json.empty() ? "" : ",") + std::string("{\"Name\": ") + quoted(info.name) +
            ", \"Dimensions\": " + text_of(inference ? inference->state(index).shape : info.shape) +
            ", \"Format/Datatype\": \"Row major linear " + name_of(type) + "\"}";
  }
  return "[" + json + "]";
}

std::string layer_json(const Inspector& self, size_t index) {
  const Layer& layer = self.engine->plan.graph.layers[index];
  if (self.engine->plan.verbosity == Verbosity::layer_names_only) return quoted(layer.name);
  return "{\"Name\": " + quoted(layer.name) + ", \"LayerType\": " + quoted(kind_of(layer)) + ", \"Inputs\": " +
         tensors(self, layer, layer.inputs) + ", \"Outputs\": " + tensors(self, layer, layer.outputs) + ", \"TacticValue\": " +
         quoted("0x" + std::to_string(index)) + ", \"StreamId\": " + std::to_string(self.engine->layer_streams[index]) +
         ", \"Metadata\": " + quoted("[ONNX Layer: " + layer.name + "]") + "}";
}

std::string line_of(const Inspector& self, size_t index) {
  const Layer& layer = self.engine->plan.graph.layers[index];
  return self.engine->plan.verbosity == Verbosity::layer_names_only ? layer.name : kind_of(layer) + ": " + layer.name;
}

std::string bindings(const Graph& graph) {
  std::string json;
  for (const std::vector<int>* list : {&graph.inputs, &graph.outputs})
    for (const int tensor : *list) json += (json.empty() ? "" : ",") + quoted(graph.tensors[static_cast<size_t>(tensor)].name);
  return "[" + json + "]";
}

/** Nothing where the engine was built without names. */
std::string information(const Inspector& self, bool json) {
  const Graph& graph = self.engine->plan.graph;
  const bool silent = self.engine->plan.verbosity == Verbosity::none;
  std::string text;
  for (size_t i = 0; i < graph.layers.size() && !silent; i++) {
    if (json) text += (i ? ",\n" : "") + layer_json(self, i);
    else text += line_of(self, i) + "\n";
  }
  if (!json) return text;
  return "{\"Layers\": [" + text + "],\n\"Bindings\": " + (silent ? "[]" : bindings(graph)) + "}";
}

/** LayerInformationFormat::kJSON */
bool is_json(int32_t format) { return enumerator("LayerInformationFormat", "JSON") == format; }

}  // namespace

void* create_inspector(Engine& engine) {
  auto* inspector = make<Inspector>();
  inspector->engine = &engine;
  inspector->logger = engine.logger;
  return handle_of(*inspector);
}

FAKE_METHOD(EngineInspector, setExecutionContext, bool, (Inspector & self, const void* context)) {
  Context* given = context ? &body_of<Context>(context) : nullptr;
  if (given && given->engine != self.engine) return false;
  self.context = given;
  return true;
}
FAKE_METHOD(EngineInspector, getExecutionContext, const void*, (Inspector & self)) { return self.context ? handle_of(*self.context) : nullptr; }
FAKE_METHOD(EngineInspector, getEngineInformation, const char*, (Inspector & self, int32_t format)) {
  self.text = information(self, is_json(format));
  return self.text.c_str();
}
FAKE_METHOD(EngineInspector, getLayerInformation, const char*, (Inspector & self, int32_t index, int32_t format)) {
  if (index < 0 || static_cast<size_t>(index) >= self.engine->plan.graph.layers.size()) {
    report(self, ErrorCode::invalid_argument, "EngineInspector.getLayerInformation", "there is no layer " + std::to_string(index));
    return nullptr;
  }
  const bool silent = self.engine->plan.verbosity == Verbosity::none;
  self.text = silent ? "" : is_json(format) ? layer_json(self, static_cast<size_t>(index)) : line_of(self, static_cast<size_t>(index));
  return self.text.c_str();
}
FAKE_METHOD(EngineInspector, setErrorRecorder, void, (Inspector & self, void* recorder)) { set_recorder(self, recorder); }
FAKE_METHOD(EngineInspector, getErrorRecorder, void*, (Inspector & self)) { return self.recorder; }

}  // namespace fake_nvinfer
