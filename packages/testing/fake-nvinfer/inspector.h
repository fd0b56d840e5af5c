// Engine inspectors.
#pragma once
#include "engine.h"

namespace fake_nvinfer {
void* create_inspector(Engine& engine);
}  // namespace fake_nvinfer
