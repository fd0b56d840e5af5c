// Layers as they run: functions of the host in a stream of the simulated driver.
#pragma once
#include <atomic>
#include <climits>
#include <memory>
#include <optional>
#include <vector>

#include "cuda.h"
#include "inference.h"

namespace fake_nvinfer {

/** What the tasks of a context share; lives as long as the last one. */
struct TaskGroup {
  /** Counts how often the inputs' shapes, or the profile, became others. */
  std::atomic<uint64_t> shapes{0};
  /** Queued and not run; those in graphs do not count. */
  std::atomic<int> pending{0};
  /** Milliseconds by layer, of the last run. */
  std::vector<std::atomic<float>> milliseconds;
  explicit TaskGroup(size_t layers) : milliseconds(layers) {}
};

/** All tasks of one enqueueV3. While some of them have run and others not, the context and its memory are in use. */
struct RunOfTasks {
  std::shared_ptr<TaskGroup> group;
  uintptr_t memory = 0;
  size_t bytes = 0;
  /** Of the group, for what was captured: a graph holds what the context held then. */
  std::optional<uint64_t> shapes;
  /** As long as not all are queued: more than there can be. */
  int tasks = INT_MAX;
  int begun = 0, ended = 0;
};

/** Whether something of the context runs. */
bool is_running(const TaskGroup& group);
/** No further task comes. */
void close_run(RunOfTasks& run, int tasks);

enum class TaskKind {
  layer,
  /** Writes how many elements of the input are not zero. */
  count,
  /** Gives an output what is known already. */
  copy,
  /** Stands for what a change of the profile copies to the device. */
  change,
};

struct Task {
  TaskKind kind = TaskKind::layer;
  std::shared_ptr<TaskGroup> group;
  /** None for changes of the profile. */
  std::shared_ptr<RunOfTasks> run;
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
