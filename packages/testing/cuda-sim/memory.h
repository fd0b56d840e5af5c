// Device and pinned memory: host pages between guard pages, with red zones, filled with a pattern. Addresses are never given
// twice, so that a kernel which touches freed memory faults.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace cuda_sim {

enum class MemoryKind { device, pinned };

struct Allocation {
  MemoryKind kind;
  uintptr_t address;
  size_t bytes;
  uintptr_t mapping;
  size_t mapping_bytes;
};

class Memory {
 public:
  /** 0 where the host has no memory left. Addresses are multiples of 256; fresh bytes are 0xff. */
  uintptr_t allocate(MemoryKind kind, size_t bytes);
  /** The allocation that starts here; null if there is none. */
  const Allocation* starting_at(uintptr_t address, MemoryKind kind) const;
  void free(uintptr_t address);
  void free_all();
  /** The allocation that holds all of these bytes; null if none does. */
  const Allocation* holding(uintptr_t address, size_t bytes) const;
  /** Does any byte of this range lie in an allocation? */
  bool touches(uintptr_t address, size_t bytes) const;
  /** What stands next to memory that was written out of bounds; empty if all is well. */
  std::string damage() const;
  size_t count(MemoryKind kind) const;
  size_t bytes(MemoryKind kind) const;

 private:
  std::map<uintptr_t, Allocation> allocations_;
  uintptr_t next_ = 0, end_ = 0;
};

}  // namespace cuda_sim
