// Layers as they run: functions of the host in a stream of the simulated driver.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "cuda.h"
#include "inference.h"

namespace fake_nvinfer {

/** What the tasks of a context share; lives as long as the last one. */
struct TaskGroup {
  /** Queued and not run; those in graphs do not count. */
  std::atomic<int> pending{0};
  /** Milliseconds by layer, of the last run. */
  std::vector<std::atomic<float>> milliseconds;
  explicit TaskGroup(size_t layers) : milliseconds(layers) {}
};

enum class TaskKind {
  layer,
  /** Writes how many elements of the input are not zero. */
  count,
  /** Gives an output what is known already. */
  copy,
};

struct Task {
  TaskKind kind = TaskKind::layer;
  std::shared_ptr<TaskGroup> group;
  /** Keeps the layer and values that were known before. */
  std::shared_ptr<const Inference> inference;
  size_t layer = 0;
  Views inputs, outputs;
  int64_t* count = nullptr;
};

/** Queues a task. A CUresult. A captured one is kept until its group is dropped. */
int launch(std::shared_ptr<Task> task, Stream stream, bool captured);
/** Forgets captured tasks: graphs that still hold them end the process when they run. */
void drop_captured(const TaskGroup* group);

}  // namespace fake_nvinfer
