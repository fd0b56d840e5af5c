// Bytes that the library hands out.
#pragma once
#include <string>

#include "object.h"

namespace fake_nvinfer {

struct HostMemory : Body {
  static constexpr Class type = Class::HostMemory;
  std::string bytes;
};

/** What the caller gets. */
void* publish_bytes(std::string bytes);

}  // namespace fake_nvinfer
