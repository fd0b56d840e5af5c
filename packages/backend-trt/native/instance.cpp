#include "instance.h"

#include <algorithm>
#include <cstdlib>

#include "events.h"

namespace lowlat_trt {

namespace {

struct Process {
  std::mutex mutex;
  std::vector<std::weak_ptr<Instance>> instances;
  bool watched = false;
};

/** Never destroyed: threads may outlive static objects. */
Process& process() {
  static Process& value = *new Process;
  return value;
}

void shut_down_all() {
  std::vector<std::weak_ptr<Instance>> instances;
  {
    const std::lock_guard<std::mutex> lock(process().mutex);
    instances = process().instances;
  }
  for (const std::weak_ptr<Instance>& weak : instances)
    if (const std::shared_ptr<Instance> instance = weak.lock()) instance->shut_down();
}

}  // namespace

std::shared_ptr<Instance> Instance::create(Napi::Env env) {
  auto instance = std::make_shared<Instance>();
  instance->mailbox_ = Mailbox::create(env);
  auto* own = new std::shared_ptr<Instance>(instance);
  napi_set_instance_data(
      env, own, [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Instance>*>(data); }, nullptr);
  // Hooks run in reverse order: before the mailbox's function and the instance data are gone.
  napi_add_env_cleanup_hook(env, clean_up, own);
  const std::lock_guard<std::mutex> lock(process().mutex);
  auto& all = process().instances;
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto& weak) { return weak.expired(); }), all.end());
  all.push_back(instance);
  return instance;
}

std::shared_ptr<Instance> Instance::of(Napi::Env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<std::shared_ptr<Instance>*>(data);
}

void Instance::shut_down() {
  closing_ = true;
  mailbox_->close();
  std::map<uint64_t, std::function<void()>> cancellations;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    cancellations.swap(cancellations_);
  }
  for (const auto& [id, cancel] : cancellations) cancel();
  threads_->join();
}

uint64_t Instance::add_cancellation(std::function<void()> cancel) {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancellations_.emplace(next_cancellation_, std::move(cancel));
  return next_cancellation_++;
}

void Instance::remove_cancellation(uint64_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancellations_.erase(id);
}

void Instance::add(std::weak_ptr<Perishable> perishable) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& all = perishables_;
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto& weak) { return weak.expired(); }), all.end());
  all.push_back(std::move(perishable));
}

void Instance::watch_exit(Napi::Env env) {
  if (!watches_exit_) {
    // process.exit() of the main thread runs no cleanup hooks, but this event; the libraries' static objects are still there then.
    const Napi::Object process = env.Global().Get("process").As<Napi::Object>();
    const auto listener = Napi::Function::New(env, [](const Napi::CallbackInfo& info) { Instance::of(info.Env())->shut_down(); });
    process.Get("on").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), listener});
    watches_exit_ = true;
  }
  // The net below: what exits without the event, such as an 'exit' listener that exits itself.
  const std::lock_guard<std::mutex> lock(process().mutex);
  if (process().watched) return;
  std::atexit(shut_down_all);
  process().watched = true;
}

uint64_t Instance::begin(Pending pending) {
  const uint64_t id = next_id++;
  pending_.emplace(id, std::move(pending));
  mailbox_->hold();
  return id;
}

Pending* Instance::pending(uint64_t id) {
  const auto found = pending_.find(id);
  return found == pending_.end() ? nullptr : &found->second;
}

void Instance::settle(uint64_t id, const std::function<void(Pending&)>& how) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  mailbox_->let_go();
  if (pending.settled) pending.settled();
  how(pending);
}

void Instance::clean_up(void* data) {
  const std::shared_ptr<Instance> self = *static_cast<std::shared_ptr<Instance>*>(data);
  self->shut_down();
  std::vector<std::shared_ptr<Perishable>> left;
  {
    const std::lock_guard<std::mutex> lock(self->mutex_);
    for (const auto& weak : self->perishables_)
      if (auto perishable = weak.lock()) left.push_back(std::move(perishable));
    self->perishables_.clear();
  }
  std::stable_sort(left.begin(), left.end(), [](const auto& a, const auto& b) { return a->turn() < b->turn(); });
  for (const auto& perishable : left) perishable->perish();
  self->pending_.clear();
  self->callbacks.clear();
  for (auto* reference : {&self->engine_class, &self->context_class, &self->library_class}) reference->Reset();
  self->mailbox_->release();
}

}  // namespace lowlat_trt
