#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "sanitizer.h"

namespace cuda_sim {
namespace {
constexpr size_t alignment = 256, red_zone_bytes = 256;
constexpr unsigned char red_zone_pattern = 0xb5, fresh_pattern = 0xff;
/** Address space that is taken at once; pages cost nothing before they are used. */
constexpr size_t reserve_bytes = size_t{1} << 38;

size_t page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
unsigned char* at(uintptr_t address) { return reinterpret_cast<unsigned char*>(address); }
/** Up to the guard page: fewer than 256 bytes. */
size_t bytes_behind(const Allocation& a) { return a.mapping + a.mapping_bytes - (a.address + a.bytes); }
}  // namespace

uintptr_t Memory::allocate(MemoryKind kind, size_t bytes) {
  // Memory ends as near to the guard page behind it as the alignment allows.
  const size_t page = page_bytes();
  const size_t used = (bytes + alignment - 1) / alignment * alignment + red_zone_bytes;
  const size_t mapping_bytes = (used + page - 1) / page * page;
  if (end_ - next_ < mapping_bytes + 2 * page) {
    const size_t reserve = std::max(reserve_bytes, mapping_bytes + 2 * page);
    void* space = mmap(nullptr, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) return 0;
    next_ = reinterpret_cast<uintptr_t>(space);
    end_ = next_ + reserve;
  }
  const uintptr_t mapping = next_ + page;
  if (mprotect(at(mapping), mapping_bytes, PROT_READ | PROT_WRITE) != 0) return 0;
  next_ = mapping + mapping_bytes;
  const uintptr_t address = (mapping + mapping_bytes - bytes) / alignment * alignment;
  const Allocation allocation = {kind, address, bytes, mapping, mapping_bytes};
  allocations_.emplace(address, allocation);
  std::memset(at(address - red_zone_bytes), red_zone_pattern, red_zone_bytes);
  std::memset(at(address), fresh_pattern, bytes);
  std::memset(at(address + bytes), red_zone_pattern, bytes_behind(allocation));
  poison(at(mapping), address - mapping);
  poison(at(address + bytes), bytes_behind(allocation));
  return address;
}

const Allocation* Memory::starting_at(uintptr_t address, MemoryKind kind) const {
  const auto found = allocations_.find(address);
  return found != allocations_.end() && found->second.kind == kind ? &found->second : nullptr;
}

void Memory::free(uintptr_t address) {
  const Allocation& allocation = allocations_.at(address);
  unpoison(at(allocation.mapping), allocation.mapping_bytes);
  mmap(at(allocation.mapping), allocation.mapping_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
       0);
  allocations_.erase(address);
}

void Memory::free_all() {
  while (!allocations_.empty()) free(allocations_.begin()->first);
}

const Allocation* Memory::holding(uintptr_t address, size_t bytes) const {
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  const Allocation& allocation = (--after)->second;
  const size_t offset = address - allocation.address;
  return offset <= allocation.bytes && bytes <= allocation.bytes - offset ? &allocation : nullptr;
}

bool Memory::touches(uintptr_t address, size_t bytes) const {
  auto after = allocations_.lower_bound(address + bytes);
  if (after == allocations_.begin()) return false;
  const Allocation& allocation = (--after)->second;
  return address < allocation.address + allocation.bytes;
}

std::string Memory::damage() const {
  // AddressSanitizer reports the access itself.
  if (sanitized) return "";
  for (const auto& [address, allocation] : allocations_) {
    for (size_t i = 1; i <= red_zone_bytes; i++)
      if (*at(address - i) != red_zone_pattern)
        return std::to_string(i) + " bytes before an allocation of " + std::to_string(allocation.bytes) + " bytes were written";
    for (size_t i = 0; i < bytes_behind(allocation); i++)
      if (*at(address + allocation.bytes + i) != red_zone_pattern)
        return "byte " + std::to_string(allocation.bytes + i) + " of an allocation of " + std::to_string(allocation.bytes) +
               " bytes was written";
  }
  return "";
}

size_t Memory::count(MemoryKind kind) const {
  size_t count = 0;
  for (const auto& [address, allocation] : allocations_) count += allocation.kind == kind;
  return count;
}

size_t Memory::bytes(MemoryKind kind) const {
  size_t bytes = 0;
  for (const auto& [address, allocation] : allocations_)
    if (allocation.kind == kind) bytes += allocation.bytes;
  return bytes;
}

}  // namespace cuda_sim
