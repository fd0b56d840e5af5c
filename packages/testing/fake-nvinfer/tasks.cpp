#include "tasks.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "control.h"

namespace fake_nvinfer {
namespace {

struct Entry {
  std::shared_ptr<Task> task;
  bool captured;
};

struct Store {
  std::mutex mutex;
  std::vector<RunOfTasks*> running;
  std::map<uint64_t, Entry> tasks;
  uint64_t next = 1;
};

Store& store() {
  static Store* instance = new Store;
  return *instance;
}

bool overlap(const RunOfTasks& a, const RunOfTasks& b) {
  return a.bytes && b.bytes && a.memory < b.memory + b.bytes && b.memory < a.memory + a.bytes;
}

/** With the store locked. */
void forget(const RunOfTasks* run) {
  std::vector<RunOfTasks*>& running = store().running;
  running.erase(std::remove(running.begin(), running.end(), run), running.end());
}

/** With the store locked. A captured run begins anew with the next launch of its graph. */
void end_if_complete(RunOfTasks& run) {
  if (run.ended < run.tasks) return;
  run.begun = run.ended = 0;
  forget(&run);
}

/** What is wrong with a run that begins; null for nothing. */
const char* begin(RunOfTasks& run) {
  const std::lock_guard<std::mutex> lock(store().mutex);
  if (run.begun++) return nullptr;
  const char* wrong = nullptr;
  if (run.shapes && *run.shapes != run.group->shapes) wrong = "a graph runs that was captured before its execution context got other shapes";
  for (const RunOfTasks* other : store().running) {
    if (other->group == run.group) wrong = "an execution context is used by two runs at once";
    else if (overlap(*other, run)) wrong = "two execution contexts run at once in the same device memory";
  }
  store().running.push_back(&run);
  return wrong;
}

void end(RunOfTasks& run) {
  const std::lock_guard<std::mutex> lock(store().mutex);
  run.ended++;
  end_if_complete(run);
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
  if (task.kind == TaskKind::change) return;
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
  const std::shared_ptr<RunOfTasks> of = entry.task->run;
  if (const char* wrong = of ? begin(*of) : nullptr) note_violation(wrong);
  run(*entry.task);
  if (of) end(*of);
  if (!entry.captured) entry.task->group->pending--;
}

}  // namespace

bool is_running(const TaskGroup& group) {
  const std::lock_guard<std::mutex> lock(store().mutex);
  for (const RunOfTasks* run : store().running)
    if (run->group.get() == &group) return true;
  return false;
}

void close_run(RunOfTasks& run, int tasks) {
  const std::lock_guard<std::mutex> lock(store().mutex);
  run.tasks = tasks;
  end_if_complete(run);
}

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
  std::vector<RunOfTasks*>& running = store().running;
  running.erase(std::remove_if(running.begin(), running.end(), [&](const RunOfTasks* run) { return run->group.get() == group; }), running.end());
  for (auto entry = store().tasks.begin(); entry != store().tasks.end();)
    entry = entry->second.captured && entry->second.task->group.get() == group ? store().tasks.erase(entry) : std::next(entry);
}

}  // namespace fake_nvinfer
