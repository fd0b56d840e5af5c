// The version that is played; compiled anew for each.
#include "object.h"

namespace fake_nvinfer {
int32_t library_version() { return FAKE_NVINFER_VERSION; }
}  // namespace fake_nvinfer
