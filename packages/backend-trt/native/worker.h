// Threads that work one task after another, and the group that joins them.
#pragma once
#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace lowlat_trt {

class ThreadGroup;

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  using Task = std::function<void()>;

  explicit Worker(std::shared_ptr<ThreadGroup> group) : group_(std::move(group)) {}

  /**
   * Queues a task; the thread starts with the first. Tasks do not throw.
   * @returns false, without having queued it, once `finish` was called. @throws Failure where no thread can be started.
   */
  bool post(Task task);
  /** The thread ends after the tasks that are queued. From any thread, its own included. */
  void finish();

 private:
  friend class ThreadGroup;
  void run();

  const std::shared_ptr<ThreadGroup> group_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool started_ = false, finishing_ = false, ended_ = false;
};

class ThreadGroup {
 public:
  /** Ends all workers after what they have queued and waits for them. From any thread but theirs. */
  void join();

 private:
  friend class Worker;
  struct Member {
    pthread_t thread;
    std::shared_ptr<Worker> worker;
  };
  void start(std::shared_ptr<Worker> worker);
  /** Joins those that have ended. */
  void reap();

  std::mutex mutex_, joining_;
  std::vector<Member> members_;
};

}  // namespace lowlat_trt
