// The device: one OS thread that runs what is queued in streams, each in order, and takes turns between them.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "driver.h"
#include "faults.h"

namespace cuda_sim {
namespace {

/** The legacy stream waits for every blocking stream, and they for it, in the order in which work was queued. */
bool may_start(const Stream& stream, uint64_t sequence) {
  Driver& d = driver();
  if (stream.legacy) {
    for (const auto& [handle, other] : d.streams)
      if (other->blocking && !other->commands.empty() && other->commands.front().sequence < sequence) return false;
    return true;
  }
  if (!stream.blocking) return true;
  const Stream& legacy = stream.context->legacy;
  return legacy.commands.empty() || legacy.commands.front().sequence > sequence;
}

bool ready(const Stream& stream) {
  if (stream.commands.empty()) return false;
  const Command& command = stream.commands.front();
  if (command.wait_for && !command.wait_for->done) return false;
  return may_start(stream, command.sequence);
}

/** Round robin, so that kernels of several streams interleave. */
Stream* next_stream() {
  static uint64_t turn = 0;
  Driver& d = driver();
  std::vector<Stream*> candidates;
  if (d.primary && ready(d.primary->legacy)) candidates.push_back(&d.primary->legacy);
  for (const auto& [handle, stream] : d.streams)
    if (ready(*stream)) candidates.push_back(stream.get());
  return candidates.empty() ? nullptr : candidates[turn++ % candidates.size()];
}

/** A topological order of the nodes: as they stand, or drawn at random. */
std::vector<uint32_t> order_of(const Nodes& nodes, uint64_t seed) {
  std::vector<uint32_t> order, open;
  std::vector<size_t> missing(nodes.size());
  std::vector<std::vector<uint32_t>> followers(nodes.size());
  for (uint32_t i = 0; i < nodes.size(); i++) {
    missing[i] = nodes[i].dependencies.size();
    for (const uint32_t dependency : nodes[i].dependencies) followers[dependency].push_back(i);
    if (!missing[i]) open.push_back(i);
  }
  Random random{seed};
  while (!open.empty()) {
    const size_t choice = seed ? random.below(static_cast<uint32_t>(open.size()))
                               : static_cast<size_t>(std::min_element(open.begin(), open.end()) - open.begin());
    const uint32_t node = open[choice];
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(choice));
    order.push_back(node);
    for (const uint32_t follower : followers[node])
      if (!--missing[follower]) open.push_back(follower);
  }
  return order;
}

uint64_t next_seed() {
  Driver& d = driver();
  return d.seed ? Random{d.seed * 0x100000001b3u + ++d.launches}.next() | 1 : 0;
}

void move_bytes(const Node& node) {
  void* target = reinterpret_cast<void*>(node.target);
  if (node.kind == NodeKind::fill) std::memset(target, static_cast<int>(node.value), node.bytes);
  if (node.kind == NodeKind::write_value) __atomic_store_n(static_cast<uint32_t*>(target), node.value, __ATOMIC_SEQ_CST);
  if (node.kind == NodeKind::copy)
    std::memmove(target, node.staged ? node.staged->data() : reinterpret_cast<const void*>(node.source), node.bytes);
}

/** The bytes that a copy, fill or written value touches must still be allocated. */
bool allocated(const Node& node) {
  const Memory& memory = driver().memory;
  const auto fine = [&](uintptr_t address) { return !memory.touches(address, node.bytes) || memory.holding(address, node.bytes); };
  return fine(node.target) && fine(node.source);
}

std::unique_ptr<Grid> make_grid(const Node& node) {
  return std::make_unique<Grid>(node.function->kernel, node.parameters, node.shape, next_seed());
}

/** The kernel that directly follows the one that the stream is at, if it may start early; null otherwise. */
const Node* kernel_behind(const Stream& stream) {
  const Nodes& nodes = *stream.commands.front().nodes;
  const Node* behind = nullptr;
  if (stream.position + 1 < nodes.size()) {
    behind = &nodes[stream.order[stream.position + 1]];
    if (behind->dependencies != std::vector<uint32_t>{stream.order[stream.position]}) return nullptr;
  } else if (stream.commands.size() > 1 && stream.commands[1].nodes && !stream.commands[0].is_graph && !stream.commands[1].is_graph) {
    behind = &stream.commands[1].nodes->front();
  }
  return behind && behind->kind == NodeKind::kernel && behind->programmatic ? behind : nullptr;
}

/** Starts the kernel that the stream is at, and lets the one behind run ahead as far as it may. */
void start_kernel(Stream& stream, const Node& node, std::unique_lock<std::mutex>& lock) {
  if (const CUresult fault = take_fault(kernel_fault); fault != CUDA_SUCCESS) {
    set_error(*stream.context, fault, "kernel " + node.function->name + ": failed because a test asked for it");
    return;
  }
  stream.grid = stream.grid_behind ? std::move(stream.grid_behind) : make_grid(node);
  const Node* behind = driver().seed ? kernel_behind(stream) : nullptr;
  if (behind) {
    stream.grid_behind = make_grid(*behind);
    stream.grid_behind->close_gate();
    Grid& grid = *stream.grid_behind;
    lock.unlock();
    grid.advance();
    lock.lock();
    if (grid.status() != CUDA_SUCCESS)
      set_error(*stream.context, grid.status(), "kernel " + behind->function->name + ": " + grid.message());
  }
  stream.grid->open_gate();
}

/** Runs a part of the stream's first command; true once that has ended. The mutex is held, but not while kernels run. */
bool run_part(Stream& stream, std::unique_lock<std::mutex>& lock) {
  Command& command = stream.commands.front();
  if (command.wait_for) stream.clock_us = std::max(stream.clock_us, command.wait_for->time_us);
  if (command.nodes) {
    const Nodes& nodes = *command.nodes;
    if (stream.order.size() != nodes.size()) {
      stream.order = order_of(nodes, next_seed());
      stream.position = 0;
    }
    if (stream.position < nodes.size()) {
      const Node& node = nodes[stream.order[stream.position]];
      Work work;
      if (node.kind == NodeKind::kernel) {
        if (!stream.grid) start_kernel(stream, node, lock);
        if (stream.context->error != CUDA_SUCCESS) return false;
        Grid& grid = *stream.grid;
        lock.unlock();
        const bool more = grid.advance();
        lock.lock();
        if (more) return false;
        if (grid.status() != CUDA_SUCCESS)
          set_error(*stream.context, grid.status(), "kernel " + node.function->name + ": " + grid.message());
        else
          check_memory(*stream.context, "after kernel " + node.function->name);
        work = grid.work();
        stream.grid.reset();
      } else if (node.kind == NodeKind::host) {
        lock.unlock();
        set_in_host_function(true);
        node.call(node.user_data);
        set_in_host_function(false);
        lock.lock();
        check_memory(*stream.context, "after a host function");
      } else if (node.kind != NodeKind::empty) {
        if (!allocated(node)) {
          set_error(*stream.context, CUDA_ERROR_ILLEGAL_ADDRESS, "a queued copy names memory that has been freed");
        } else {
          lock.unlock();
          move_bytes(node);
          lock.lock();
        }
      }
      stream.clock_us += cost_us(node, work, command.is_graph);
      if (++stream.position < nodes.size()) return false;
    }
    stream.order.clear();
    stream.position = 0;
  }
  if (command.record) {
    command.record->time_us = stream.clock_us;
    command.record->done = true;
  }
  return true;
}

/** After a sticky error or with the device lost nothing queued runs any more. */
void drop(Stream& stream) {
  stream.completed = stream.queued;
  for (const Command& command : stream.commands)
    if (command.record) command.record->done = true;
  stream.commands.clear();
  stream.order.clear();
  stream.position = 0;
  stream.grid.reset();
  stream.grid_behind.reset();
}

void drop_where_failed() {
  Driver& d = driver();
  const auto failed = [&](const Stream& stream) { return d.lost != CUDA_SUCCESS || stream.context->error != CUDA_SUCCESS; };
  bool dropped = false;
  const auto visit = [&](Stream& stream) {
    if (stream.commands.empty() || !failed(stream)) return;
    drop(stream);
    dropped = true;
  };
  if (d.primary) visit(d.primary->legacy);
  for (const auto& [handle, stream] : d.streams) visit(*stream);
  if (dropped) d.ended.notify_all();
}

/** A device does not take the processor away from the threads that wait for it. On Linux, priorities belong to threads. */
void run_behind_the_host() { setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 10); }

void device_main() {
  catch_memory_faults();
  run_behind_the_host();
  Driver& d = driver();
  std::unique_lock<std::mutex> lock(d.mutex);
  for (;;) {
    drop_where_failed();
    Stream* stream = d.held ? nullptr : next_stream();
    if (!stream) {
      d.queued.wait(lock);
      continue;
    }
    d.running = stream;
    if (run_part(*stream, lock)) {
      stream->completed = stream->commands.front().sequence;
      stream->commands.pop_front();
      d.ended.notify_all();
    }
    d.running = nullptr;
  }
}

}  // namespace

void enqueue(Stream& stream, Command command) {
  Driver& d = driver();
  if (!d.device_thread_started) {
    d.device_thread_started = true;
    std::thread(device_main).detach();
  }
  command.sequence = ++d.sequence;
  stream.queued = command.sequence;
  stream.commands.push_back(std::move(command));
  d.queued.notify_one();
}

void finish(Call& call, Stream& stream) {
  const std::shared_ptr<Stream> kept = driver().streams.share(&stream);
  const uint64_t sequence = stream.queued;
  driver().queued.notify_one();
  driver().ended.wait(call.lock(), [&] { return stream.completed >= sequence; });
}

void finish_all(std::unique_lock<std::mutex>& lock) {
  Driver& d = driver();
  const uint64_t sequence = d.sequence;
  d.queued.notify_one();
  d.ended.wait(lock, [&] {
    const auto done = [&](const Stream& stream) { return stream.commands.empty() || stream.commands.front().sequence > sequence; };
    if (d.primary && !done(d.primary->legacy)) return false;
    for (const auto& [handle, stream] : d.streams)
      if (!done(*stream)) return false;
    return true;
  });
}

}  // namespace cuda_sim
