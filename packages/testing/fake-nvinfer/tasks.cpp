#include "tasks.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

namespace fake_nvinfer {
namespace {

struct Entry {
  std::shared_ptr<Task> task;
  bool captured;
};

struct Store {
  std::mutex mutex;
  std::map<uint64_t, Entry> tasks;
  uint64_t next = 1;
};

Store& store() {
  static Store* instance = new Store;
  return *instance;
}

/** Rounds results to what the layer computes with. */
void round_results(const Layer& layer, const Views& outputs) {
  if (layer.rounded_to == DataType::none) return;
  for (const View& view : outputs) {
    std::vector<float> values = floats_of(view);
    std::vector<uint16_t> rounded(values.size());
    const View narrow{layer.rounded_to, view.shape, rounded.data()};
    fake_nvinfer::store(narrow, values);
    fake_nvinfer::store(view, floats_of(narrow));
  }
}

void run(const Task& task) {
  if (task.kind == TaskKind::copy) return copy_elements(task.inputs[0], task.outputs[0]);
  if (task.kind == TaskKind::count) {
    int64_t count = 0;
    for (const float value : floats_of(task.inputs[0])) count += value != 0;
    *task.count = count;
    return;
  }
  const Layer& layer = task.inference->graph().layers[task.layer];
  const auto start = std::chrono::steady_clock::now();
  find_operator(layer.op)->run(layer, task.inputs, task.outputs);
  round_results(layer, task.outputs);
  const std::chrono::duration<float, std::milli> took = std::chrono::steady_clock::now() - start;
  task.group->milliseconds[task.layer] = took.count();
}

void run_by_id(void* data) {
  const auto id = reinterpret_cast<uint64_t>(data);
  Entry entry{};
  {
    const std::lock_guard<std::mutex> lock(store().mutex);
    const auto found = store().tasks.find(id);
    if (found != store().tasks.end()) entry = found->second;
    if (found != store().tasks.end() && !entry.captured) store().tasks.erase(found);
  }
  if (!entry.task) {
    std::fprintf(stderr, "fake nvinfer: a graph runs that was captured from an execution context which has been destroyed\n");
    std::abort();
  }
  run(*entry.task);
  if (!entry.captured) entry.task->group->pending--;
}

}  // namespace

int launch(std::shared_ptr<Task> task, Stream stream, bool captured) {
  const std::shared_ptr<TaskGroup> group = task->group;
  uint64_t id = 0;
  {
    const std::lock_guard<std::mutex> lock(store().mutex);
    id = store().next++;
    store().tasks.emplace(id, Entry{std::move(task), captured});
  }
  if (!captured) group->pending++;
  const int result = cuda()->launch_host_func(stream, run_by_id, reinterpret_cast<void*>(id));
  if (result == 0) return 0;
  if (!captured) group->pending--;
  const std::lock_guard<std::mutex> lock(store().mutex);
  store().tasks.erase(id);
  return result;
}

void drop_captured(const TaskGroup* group) {
  const std::lock_guard<std::mutex> lock(store().mutex);
  for (auto entry = store().tasks.begin(); entry != store().tasks.end();)
    entry = entry->second.captured && entry->second.task->group.get() == group ? store().tasks.erase(entry) : std::next(entry);
}

}  // namespace fake_nvinfer
