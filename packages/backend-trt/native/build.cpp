#include "build.h"

#include "build_config.h"
#include "callbacks/progress_monitor.h"
#include "refusal.h"

namespace lowlat_trt {

namespace {

/** The builder with whom it reports to. */
struct Workshop {
  Workshop(Library& library, const std::shared_ptr<LogSink>& sink)
      : abi(library.abi()), logger(Immortals<Logger>::take(abi)), recorder(Immortals<ErrorRecorder>::take(abi)) {
    logger->send_to(sink);
    builder = library.builder(*logger, *sink);
    abi.call(calls::Builder_setErrorRecorder, builder.get(), recorder.get());
  }

  Owned network(const BuildRequest& request, const LogSink& sink) const {
    uint32_t flags = flag_bits(abi, "NetworkDefinitionCreationFlag", request.network_flags);
    // 11 knows nothing else, and deprecates the flag.
    if (request.strongly_typed && abi.major() == 10)
      flags |= flag_bits(abi, "NetworkDefinitionCreationFlag", {"STRONGLY_TYPED"});
    if (!request.strongly_typed && abi.major() > 10)
      throw Failure{"FLAG_UNSUPPORTED", "TensorRT " + version_text(abi.version()) + " builds strongly typed networks only", {}}
          .with("flag", std::string("stronglyTyped: false"))
          .with("version", version_text(abi.version()));
    Owned network(abi.call(calls::Builder_createNetworkV2, builder.get(), flags));
    if (!network) throw refusal("BUILD_FAILED", "TensorRT creates no network", abi, *recorder, sink);
    abi.call(calls::NetworkDefinition_setErrorRecorder, network.get(), recorder.get());
    return network;
  }

  const Abi& abi;
  const std::shared_ptr<Logger> logger;
  const std::shared_ptr<ErrorRecorder> recorder;
  /** Has to outlive the builder. */
  Owned timing_cache;
  Owned builder;
};

std::vector<std::string> used_plugins(const Abi& abi, const void* parser) {
  int64_t count = 0;
  const Text* paths = abi.call(calls::OnnxParser_getUsedVCPluginLibraries, parser, count);
  return paths && count > 0 ? std::vector<std::string>(paths, paths + count) : std::vector<std::string>{};
}

BuildResult build_in(Workshop& shop, Library& library, const BuildRequest& request, const LogSink& sink,
                     const std::shared_ptr<EventChannel>& events, const std::atomic<bool>& cancelled) {
  const Abi& abi = shop.abi;
  const auto stop_if_cancelled = [&] {
    if (cancelled) throw Failure{"CANCELLED", "The build was cancelled", {}};
  };
  const Owned network = shop.network(request, sink);
  // Networks refer to weights that the parser owns, so that it lives until the build is done.
  const OwnedParser parser(abi, calls::OnnxParser_destroy, library.parser(network.get(), *shop.logger, sink));
  for (const std::string& flag : request.parser_flags)
    abi.call(calls::OnnxParser_setFlag, parser.get(), abi.value("OnnxParserFlag", flag));
  const SourceBytes model(request.model);
  stop_if_cancelled();
  const char* path = request.model.path.empty() ? nullptr : request.model.path.c_str();
  if (!abi.call(calls::OnnxParser_parse, parser.get(), model.data(), model.size(), path)) {
    const auto errors = parser_errors(abi, calls::OnnxParser_getNbErrors, calls::OnnxParser_getError, parser.get());
    const std::string first = errors.empty() ? "it does not say why" : errors.front().description;
    throw Failure{"PARSE_FAILED", "TensorRT's parser refuses the model: " + first, {}}.with("errors", errors);
  }
  stop_if_cancelled();
  for (const std::string& name : request.refittable_weights)
    if (!abi.call(calls::NetworkDefinition_markWeightsRefittable, network.get(), name.c_str()))
      throw Failure{"WEIGHTS_UNKNOWN", "The network has no weights '" + name + "'", {}}.with("weights", name);
  ProgressMonitor monitor(abi, events, cancelled);
  BuildConfig config(abi, shop.builder.get(), *shop.recorder, sink);
  config.set(request, used_plugins(abi, parser.get()));
  BuildResult result;
  if (request.use_timing_cache) result.timing_cache_refused = !config.attach_timing_cache(request.timing_cache, shop.timing_cache);
  // What was tried before is no reason for a failure of the build.
  shop.recorder->reset();
  abi.call(calls::BuilderConfig_setProgressMonitor, config.get(), &monitor);
  result.plan = HostMemory(abi, abi.call(calls::Builder_buildSerializedNetwork, shop.builder.get(), network.get(), config.get()));
  stop_if_cancelled();
  if (!result.plan) throw refusal("BUILD_FAILED", "TensorRT builds no engine", abi, *shop.recorder, sink);
  if (request.use_timing_cache) result.timing_cache = config.timing_cache();
  result.tensors = network_tensors(abi, network.get());
  return result;
}

}  // namespace

BuildResult build(Library& library, const BuildRequest& request, const std::shared_ptr<LogSink>& sink,
                  const std::shared_ptr<EventChannel>& events, const std::atomic<bool>& cancelled) {
  try {
    if (cancelled) throw Failure{"CANCELLED", "The build was cancelled", {}};
    if (request.cuda_context) library.cuda().use(request.cuda_context);
    Workshop shop(library, sink);
    return build_in(shop, library, request, *sink, events, cancelled);
  } catch (Failure& failure) {
    bool has_log = false;
    for (const auto& [name, detail] : failure.details) has_log |= name == "log";
    if (!has_log) failure.with("log", sink->recent());
    throw;
  }
}

SupportReport supports(Library& library, const Source& model, const std::shared_ptr<LogSink>& sink) {
  const Workshop shop(library, sink);
  const Abi& abi = shop.abi;
  const Owned network = shop.network(BuildRequest{}, *sink);
  const OwnedParser parser(abi, calls::OnnxParser_destroy, library.parser(network.get(), *shop.logger, *sink));
  const SourceBytes bytes(model);
  const char* path = model.path.empty() ? nullptr : model.path.c_str();
  SupportReport report;
  report.supported = abi.call(calls::OnnxParser_supportsModelV2, parser.get(), bytes.data(), bytes.size(), path);
  const int64_t count = abi.call(calls::OnnxParser_getNbSubgraphs, parser.get());
  for (int64_t index = 0; index < count; index++) {
    int64_t length = 0;
    const int64_t* nodes = abi.call(calls::OnnxParser_getSubgraphNodes, parser.get(), index, length);
    Subgraph subgraph{{}, abi.call(calls::OnnxParser_isSubgraphSupported, parser.get(), index)};
    if (nodes) subgraph.nodes.assign(nodes, nodes + length);
    report.subgraphs.push_back(std::move(subgraph));
  }
  report.errors = parser_errors(abi, calls::OnnxParser_getNbErrors, calls::OnnxParser_getError, parser.get());
  return report;
}

}  // namespace lowlat_trt
