#pragma once
#include "../cuda.h"
#include "../file.h"
#include "provided.h"

namespace lowlat_trt {

/** IStreamReaderV2 of a file. One thread at a time. */
struct StreamReader : Provided {
  /** @throws Failure FILE_UNREADABLE {path}. */
  StreamReader(const Abi& abi, const Cuda& cuda, const std::string& path);

 private:
  static int64_t read(StreamReader* self, void* target, int64_t bytes, void* stream) noexcept;
  static bool seek(StreamReader* self, int64_t offset, int32_t from) noexcept;
  int64_t read_to_device(CUdeviceptr target, int64_t bytes, void* stream);

  const Cuda& cuda_;
  const int32_t from_start_, from_here_;
  const File file_;
  std::vector<char> staging_;
};

}  // namespace lowlat_trt
