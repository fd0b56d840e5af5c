// Facts of the device: those of an H100, with the compute capability that was asked for. Queries of other attributes are
// refused, so that code does not come to depend on values that nobody thought about.
#include "attributes.h"

#include "driver.h"

namespace cuda_sim {

uint32_t shared_bytes_per_multiprocessor() {
  switch (driver().compute_major * 10 + driver().compute_minor) {
    case 75: return 64 << 10;
    case 80: case 87: return 164 << 10;
    case 86: case 89: case 120: return 100 << 10;
    default: return 228 << 10;
  }
}

uint32_t reserved_shared_bytes() { return driver().compute_major < 8 ? 0 : 1 << 10; }
uint32_t largest_shared_bytes() { return shared_bytes_per_multiprocessor() - reserved_shared_bytes(); }

uint32_t threads_per_multiprocessor() {
  switch (driver().compute_major * 10 + driver().compute_minor) {
    case 75: return 1024;
    case 86: case 89: case 120: return 1536;
    default: return 2048;
  }
}

uint32_t blocks_per_multiprocessor() {
  switch (driver().compute_major * 10 + driver().compute_minor) {
    case 75: case 86: return 16;
    case 89: case 120: return 24;
    default: return 32;
  }
}

std::optional<int> device_attribute(int attribute) {
  switch (attribute) {
    case 1: case 2: case 3: return 1024;                            // threads per block, block x, y
    case 4: return 64;                                              // block z
    case 5: return 2147483647;                                      // grid x
    case 6: case 7: return 65535;                                   // grid y, z
    case 8: return 48 << 10;                                        // shared memory per block
    case 9: return 64 << 10;                                        // constant memory
    case 10: return 32;                                             // warp
    case 12: case 82: return 65536;                                 // registers per block, per multiprocessor
    case 13: return 1755000;                                        // clock, kHz
    case 15: case 31: case 41: case 78: case 83: return 1;          // overlap, concurrent kernels, unified addresses, priorities
    case 16: return 132;                                            // multiprocessors
    case 17: case 18: case 20: case 35: return 0;                   // time limit, integrated, compute mode, TCC
    case 19: return 1;                                              // can map host memory
    case 32: return 1;                                              // ECC
    case 33: return 1;                                              // PCI bus
    case 34: case 50: return 0;                                     // PCI device, domain
    case 36: return 2619000;                                        // memory clock, kHz
    case 37: return 5120;                                           // memory bus, bits
    case 38: return 50 << 20;                                       // L2
    case 39: return static_cast<int>(threads_per_multiprocessor());
    case 40: return 3;                                              // copy engines
    case 75: return driver().compute_major;
    case 76: return driver().compute_minor;
    case 81: return static_cast<int>(shared_bytes_per_multiprocessor());
    case 95: return 1;                                              // cooperative launch
    case 97: return static_cast<int>(largest_shared_bytes());
    case 106: return static_cast<int>(blocks_per_multiprocessor());
    case 111: return static_cast<int>(reserved_shared_bytes());
    case 115: return 0;                                             // memory pools
    default: return std::nullopt;
  }
}

}  // namespace cuda_sim
