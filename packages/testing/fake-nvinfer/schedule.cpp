// Which layers run on which stream, and what profiles say about inputs.
#include <algorithm>

#include "engine.h"

namespace fake_nvinfer {

std::vector<int> streams_of(const Graph& graph, int aux_streams) {
  std::map<int, size_t> producers;
  std::vector<int> streams;
  /** The last layer on each stream, to be followed by the first layer that needs it. */
  std::vector<int> last(static_cast<size_t>(aux_streams) + 1, -1);
  for (size_t i = 0; i < graph.layers.size(); i++) {
    int stream = -1, first_idle = -1;
    for (const int input : graph.layers[i].inputs) {
      const auto producer = producers.find(input);
      if (stream < 0 && producer != producers.end() &&
          last[static_cast<size_t>(streams[producer->second])] == static_cast<int>(producer->second))
        stream = streams[producer->second];
    }
    for (size_t s = 0; s < last.size() && first_idle < 0; s++)
      if (last[s] < 0) first_idle = static_cast<int>(s);
    if (stream < 0) stream = first_idle < 0 ? 0 : first_idle;
    streams.push_back(stream);
    last[static_cast<size_t>(stream)] = static_cast<int>(i);
    for (const int output : graph.layers[i].outputs) producers[output] = i;
  }
  return streams;
}

int parallel_branches(const Graph& graph) {
  constexpr int most = 8;
  // The host waits for counts: such networks use one stream.
  for (const Layer& layer : graph.layers)
    if (find_operator(layer.op)->data_dependent) return 1;
  const std::vector<int> streams = streams_of(graph, most - 1);
  return streams.empty() ? 1 : *std::max_element(streams.begin(), streams.end()) + 1;
}

Inputs inputs_of(const Plan& plan, size_t profile, Selector selector) {
  Inputs inputs;
  const ProfileRanges& ranges = plan.profiles.at(profile);
  const size_t which = static_cast<size_t>(selector);
  for (const int input : plan.graph.inputs) {
    const TensorInfo& info = plan.graph.tensors[static_cast<size_t>(input)];
    const auto shapes = ranges.shapes.find(info.name);
    inputs.shapes[input] = shapes == ranges.shapes.end() ? info.shape : shapes->second[which];
    const auto values = ranges.values.find(info.name);
    if (values == ranges.values.end() || !plan.graph.shape_inputs.count(input)) continue;
    const std::vector<int64_t>& list = values->second[which];
    std::string bytes(list.size() * bytes_of(info.type), 0);
    store(View{info.type, {static_cast<int64_t>(list.size())}, bytes.data()}, list);
    inputs.values[input] = bytes;
  }
  return inputs;
}

}  // namespace fake_nvinfer
