// Who uses an object at the moment: objects of the library are not locked, their callers have to see to that.
#pragma once
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "abi_tables.h"

namespace fake_nvinfer {

/** The threads that are inside an object's methods. */
class Users {
 public:
  /** False where the call and that of another thread exclude each other. */
  bool enter(bool modifies);
  void leave(bool modifies);
  bool any();

 private:
  std::mutex mutex_;
  std::vector<std::thread::id> reading_, modifying_;
};

/** Engines, runtimes and the registry may be asked by several threads at once while none sets anything; other objects may not. */
bool modifies(lowlat_trt::Method method);

/** One call: notes a violation where it meets another thread's. */
class Use {
 public:
  Use(Users& users, lowlat_trt::Method method);
  ~Use();
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  Users& users_;
  bool modifies_;
};

}  // namespace fake_nvinfer
