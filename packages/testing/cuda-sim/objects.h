// What driver calls make: contexts, streams, events, modules, graphs, and the work that is queued.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "grid.h"

namespace cuda_sim {

struct Context;
struct Module;

struct Function {
  Module* module;
  std::string name;
  void (*kernel)(const void*);
  uint32_t parameter_bytes;
  uint32_t largest_block;
  uint32_t largest_shared_bytes = 48 << 10;
  /** Of the module that it came from. */
  bool loaded = true;
};

struct Module {
  Context* context;
  void* library;
  std::map<std::string, std::shared_ptr<Function>> functions;
};

enum class NodeKind { kernel, copy, fill, write_value, host, empty };

/** A piece of work: in a stream, or in a graph after the nodes that it depends on. */
struct Node {
  NodeKind kind = NodeKind::empty;
  // Kernel
  std::shared_ptr<Function> function;
  LaunchShape shape{};
  /** May start before the kernel ahead has ended. */
  bool programmatic = false;
  std::vector<unsigned char> parameters;
  // Copy, fill, and writing of a value
  uintptr_t target = 0, source = 0;
  size_t bytes = 0;
  /** Of each byte that is filled, or of the 32 bits that are written. */
  uint32_t value = 0;
  /** Over the link between host and device. */
  bool crosses = false;
  /** The bytes of a pageable source, taken when the copy was queued. */
  std::shared_ptr<std::vector<unsigned char>> staged;

  // Host function
  void (*call)(void*) = nullptr;
  void* user_data = nullptr;

  std::vector<uint32_t> dependencies;
};

/** One recording of an event. Time is the cost model's, in microseconds. */
struct Recording {
  bool done = false;
  double time_us = 0;
};

struct Graph {
  Context* context;
  std::vector<std::unique_ptr<Node>> nodes;
};

using Nodes = std::vector<Node>;

struct GraphExec {
  Context* context;
  std::shared_ptr<const Nodes> nodes;
  /** The end of the last launch: the next one waits for it. */
  std::shared_ptr<Recording> last;
};

/** What stands in a stream: exactly one of these is set. */
struct Command {
  uint64_t sequence = 0;
  std::shared_ptr<const Nodes> nodes;
  bool is_graph = false;
  std::shared_ptr<Recording> wait_for;
  std::shared_ptr<Recording> record;
};

struct Stream;

/** CUstreamCaptureMode */
constexpr int capture_global = 0, capture_thread_local = 1, capture_relaxed = 2;

struct Capture {
  int mode;
  std::thread::id thread;
  Stream* origin;
  std::unique_ptr<Graph> graph;
  bool invalid = false;
  uint64_t id = 0;
};

struct Stream {
  Context* context;
  bool legacy = false;
  bool blocking = true;
  std::deque<Command> commands;
  uint64_t queued = 0, completed = 0;
  /** How far the first command has come. */
  std::vector<uint32_t> order;
  size_t position = 0;
  std::unique_ptr<Grid> grid;
  /** The next kernel, started early up to where it waits for the one that runs. */
  std::unique_ptr<Grid> grid_behind;
  double clock_us = 0;
  /** Set while it is being captured into a graph, with the nodes that the next one depends on. */
  std::shared_ptr<Capture> capture;
  std::vector<uint32_t> tails;
};

struct Event {
  Context* context;
  bool timed;
  std::shared_ptr<Recording> recording;
  /** Where it was last recorded into a capture. */
  std::shared_ptr<Capture> capture;
  std::vector<uint32_t> tails;
};

/** The device's primary context, from the first retain to the last release. Kept afterwards: handles may still be around. */
struct Context {
  bool alive = true;
  uint32_t retained = 0;
  Stream legacy;
  /** Sticky: every later call gives it. */
  CUresult error = CUDA_SUCCESS;
};

}  // namespace cuda_sim
