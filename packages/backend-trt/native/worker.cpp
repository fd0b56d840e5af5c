#include "worker.h"

#include <csignal>
#include <cstring>

#include "failure.h"

namespace lowlat_trt {

namespace {

/** Parsers and builders recurse over graphs. */
constexpr size_t stack_bytes = size_t{16} << 20;

}  // namespace

bool Worker::post(Task task) {
  bool start = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (finishing_) return false;
    tasks_.push_back(std::move(task));
    start = !started_;
    started_ = true;
    changed_.notify_one();
  }
  if (!start) return true;
  try {
    group_->start(shared_from_this());
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex_);
    finishing_ = true;
    tasks_.clear();
    throw;
  }
  return true;
}

void Worker::finish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  finishing_ = true;
  changed_.notify_one();
}

void Worker::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    while (tasks_.empty() && !finishing_) changed_.wait(lock);
    if (tasks_.empty()) break;
    {
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    lock.lock();
  }
  ended_ = true;
}

void ThreadGroup::start(std::shared_ptr<Worker> worker) {
  reap();
  auto own = std::make_unique<std::shared_ptr<Worker>>(worker);
  const std::lock_guard<std::mutex> lock(mutex_);
  members_.push_back({pthread_t{}, std::move(worker)});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  // Signals are for the process's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int status = pthread_create(
      &members_.back().thread, &attributes,
      [](void* argument) -> void* {
        const std::unique_ptr<std::shared_ptr<Worker>> own(static_cast<std::shared_ptr<Worker>*>(argument));
        (*own)->run();
        return nullptr;
      },
      own.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (status == 0) {
    own.release();
    return;
  }
  members_.pop_back();
  throw Failure{"OUT_OF_MEMORY", std::string("The system starts no further thread: ") + std::strerror(status), {}};
}

void ThreadGroup::reap() {
  std::vector<Member> ended;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t index = 0; index < members_.size();) {
      Worker& worker = *members_[index].worker;
      const std::lock_guard<std::mutex> worker_lock(worker.mutex_);
      if (!worker.ended_) {
        index++;
        continue;
      }
      ended.push_back(members_[index]);
      members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }
  for (const Member& member : ended) pthread_join(member.thread, nullptr);
}

void ThreadGroup::join() {
  const std::lock_guard<std::mutex> joining(joining_);
  for (;;) {
    std::vector<Member> members;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      members.swap(members_);
    }
    if (members.empty()) return;
    for (const Member& member : members) member.worker->finish();
    for (const Member& member : members) pthread_join(member.thread, nullptr);
  }
}

}  // namespace lowlat_trt
