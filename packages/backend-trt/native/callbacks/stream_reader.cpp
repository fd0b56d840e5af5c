#include "stream_reader.h"

#include <algorithm>

namespace lowlat_trt {

namespace {
constexpr size_t staging_bytes = size_t{8} << 20;
}

StreamReader::StreamReader(const Abi& abi, const Cuda& cuda, const std::string& path)
    : cuda_(cuda),
      from_start_(abi.value("SeekPosition", "SET")),
      from_here_(abi.value("SeekPosition", "CUR")),
      file_(open_file(path)) {
  vtable = abi.vtable(Class::StreamReaderV2,
                      {provide<Method::StreamReaderV2_read>(read), provide<Method::StreamReaderV2_seek>(seek)});
}

int64_t StreamReader::read(StreamReader* self, void* target, int64_t bytes, void* stream) noexcept {
  if (bytes < 0) return -1;
  try {
    if (self->cuda_.is_device_memory(target)) return self->read_to_device(reinterpret_cast<CUdeviceptr>(target), bytes, stream);
    const size_t done = std::fread(target, 1, static_cast<size_t>(bytes), self->file_.get());
    return std::ferror(self->file_.get()) ? -1 : static_cast<int64_t>(done);
  } catch (const std::exception&) {
    return -1;  // out of memory
  }
}

int64_t StreamReader::read_to_device(CUdeviceptr target, int64_t bytes, void* stream) {
  int64_t done = 0;
  while (done < bytes) {
    const size_t piece = std::min(staging_bytes, static_cast<size_t>(bytes - done));
    staging_.resize(std::max(staging_.size(), piece));
    const size_t count = std::fread(staging_.data(), 1, piece, file_.get());
    if (std::ferror(file_.get())) return -1;
    if (count == 0) break;
    if (!cuda_.copy_in(target + static_cast<CUdeviceptr>(done), staging_.data(), count, stream)) return -1;
    done += static_cast<int64_t>(count);
  }
  return done;
}

bool StreamReader::seek(StreamReader* self, int64_t offset, int32_t from) noexcept {
  const int whence = from == self->from_start_ ? SEEK_SET : from == self->from_here_ ? SEEK_CUR : SEEK_END;
  return fseeko(self->file_.get(), offset, whence) == 0;
}

}  // namespace lowlat_trt
