#include "plan.h"

#include "archive.h"
#include "cuda.h"
#include "object.h"

namespace fake_nvinfer {

/** Not in the unnamed namespace, where Archive would not find it. */
static void archive(Archive& a, ProfileRanges& ranges) { a(ranges.shapes), a(ranges.values); }

namespace {

const std::string plan_magic = "FAKEPLAN", timing_magic = "FAKETIME";

void archive_header(Archive& a, Plan& plan) { a(plan.version), a(plan.gpu), a(plan.hardware), a(plan.version_compatible); }

void archive_body(Archive& a, Plan& plan) {
  a(plan.profiles), a(plan.refittable), a(plan.weights_excluded), a(plan.weight_streaming), a(plan.verbosity);
  a(plan.individual), a(plan.marked_refittable), a(plan.identical);
  a(plan.aux_streams), a(plan.tactic_sources), a(plan.plugins);
}

/** Magic, checksum of the rest, length of the rest, the rest. */
std::string seal(const std::string& magic, const std::string& content) {
  std::string bytes = magic;
  uint64_t check = hash(content.data(), content.size()), length = content.size();
  Archive a = Archive::writing(bytes);
  a(check), a(length);
  return bytes + content;
}

std::optional<std::string> unseal(const std::string& magic, const std::string& bytes, std::string& reason) {
  const size_t header = magic.size() + 16;
  if (bytes.size() < header || bytes.compare(0, magic.size(), magic) != 0) {
    reason = "the bytes do not begin as the library writes them";
    return std::nullopt;
  }
  Archive a = Archive::reading(bytes, magic.size());
  uint64_t check = 0, length = 0;
  a(check), a(length);
  if (length > bytes.size() - header || hash(bytes.data() + header, length) != check) {
    reason = "the bytes are truncated or changed";
    return std::nullopt;
  }
  return bytes.substr(header, length);
}

/** "10.13.0" */
std::string text_of_version(int32_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
}

std::string mismatch(const Plan& plan, bool host_code_allowed) {
  const bool same_version = plan.version == library_version();
  if (plan.version / 10000 != library_version() / 10000 || (!same_version && !plan.version_compatible))
    return "the plan was made by version " + text_of_version(plan.version) + " and this is " + version_text() + ": build it again";
  if ((plan.version_compatible || !plan.plugins.empty()) && !host_code_allowed)
    return "the plan holds host code, which the runtime has not been allowed to load";
  if (!plan.hardware && plan.gpu != gpu_name())
    return "the plan was made for an incompatible device, " + plan.gpu + ", and this is " + gpu_name() + ": build it again";
  return "";
}

}  // namespace

bool is_refittable(const Plan& plan, int tensor) {
  if (!plan.refittable || !is_weights(plan.graph, tensor)) return false;
  return !plan.individual || plan.marked_refittable.count(plan.graph.tensors[static_cast<size_t>(tensor)].name);
}

std::string write_plan(const Plan& plan, bool with_weights) {
  Plan copy = plan;
  copy.weights_excluded = false;
  for (auto& [tensor, constant] : copy.graph.constants) {
    if (with_weights || !is_refittable(plan, tensor)) continue;
    constant.bytes.clear();
    copy.weights_excluded = true;
  }
  std::string content;
  Archive a = Archive::writing(content);
  archive_header(a, copy);
  archive_body(a, copy);
  write_graph(content, copy.graph);
  return seal(plan_magic, content);
}

std::optional<Plan> read_plan(const std::string& bytes, bool host_code_allowed, std::string& reason) {
  const std::optional<std::string> content = unseal(plan_magic, bytes, reason);
  if (!content) return std::nullopt;
  try {
    Plan plan;
    Archive a = Archive::reading(*content);
    archive_header(a, plan);
    reason = mismatch(plan, host_code_allowed);
    if (!reason.empty()) return std::nullopt;
    archive_body(a, plan);
    size_t position = a.position();
    plan.graph = read_graph(*content, position);
    return plan;
  } catch (const std::runtime_error& error) {
    reason = error.what();
    return std::nullopt;
  }
}

std::string write_timings(const Timings& timings) {
  Timings copy = timings;
  std::string content;
  Archive a = Archive::writing(content);
  a(copy.version), a(copy.gpu), a(copy.times);
  return seal(timing_magic, content);
}

std::optional<Timings> read_timings(const std::string& bytes, std::string& reason) {
  const std::optional<std::string> content = unseal(timing_magic, bytes, reason);
  if (!content) return std::nullopt;
  try {
    Timings timings;
    Archive a = Archive::reading(*content);
    a(timings.version), a(timings.gpu), a(timings.times);
    if (timings.version == library_version()) return timings;
    reason = "the timing cache was made by version " + text_of_version(timings.version);
  } catch (const std::runtime_error& error) {
    reason = error.what();
  }
  return std::nullopt;
}

}  // namespace fake_nvinfer
