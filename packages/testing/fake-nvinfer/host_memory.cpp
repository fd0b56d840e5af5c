#include "host_memory.h"

namespace fake_nvinfer {

void* publish_bytes(std::string bytes) {
  auto* memory = make<HostMemory>();
  memory->bytes = std::move(bytes);
  return handle_of(*memory);
}

FAKE_METHOD(HostMemory, data, void*, (HostMemory & self)) { return self.bytes.data(); }
FAKE_METHOD(HostMemory, size, size_t, (HostMemory & self)) { return self.bytes.size(); }
FAKE_METHOD(HostMemory, type, DataType, (HostMemory&)) { return DataType::int8; }

}  // namespace fake_nvinfer
