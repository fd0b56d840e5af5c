// The clock behind events. A crude model whose only promises are that it is deterministic and grows with the work: tests of
// timing and tuning need that; no speed of a real device may be concluded from it. Figures are near those of an H100.
#include <algorithm>

#include "driver.h"

namespace cuda_sim {

double cost_us(const Node& node, const Work& work, bool in_graph) {
  constexpr double launch_us = 2.2, graph_node_us = 1.3, copy_us = 1.5, host_us = 5;
  constexpr double multiprocessors = 132, flops_per_us = 400e6, thread_steps_per_us = 132 * 128 * 1700.0 / 100;
  constexpr double memory_bytes_per_us = 3.0e6, link_bytes_per_us = 25e3;
  const double start = in_graph ? graph_node_us : node.kind == NodeKind::kernel ? launch_us : copy_us;
  const double bytes = static_cast<double>(node.bytes);
  if (node.kind == NodeKind::copy) return start + bytes / (node.crosses ? link_bytes_per_us : memory_bytes_per_us / 2);
  if (node.kind == NodeKind::fill || node.kind == NodeKind::write_value) return start + bytes / memory_bytes_per_us;
  if (node.kind == NodeKind::host) return host_us;
  if (node.kind == NodeKind::empty) return 0;
  // Too few blocks leave multiprocessors idle. A thread counts as 100 instructions and every warp operation as two.
  const double used = std::min(1.0, static_cast<double>(work.blocks) / multiprocessors);
  const double arithmetic = static_cast<double>(work.flops) / (flops_per_us * used);
  const double traffic = static_cast<double>(work.bytes) / (memory_bytes_per_us * std::max(used, 0.1));
  const double steps = static_cast<double>(work.threads) + static_cast<double>(work.operations) * 32 / 50;
  return start + std::max({arithmetic, traffic, steps / (thread_steps_per_us * used)});
}

}  // namespace cuda_sim
