#include "file.h"

#include <cerrno>
#include <cstring>

namespace lowlat_trt {

Failure unreadable(const std::string& path) {
  return Failure{"FILE_UNREADABLE", path + " cannot be read: " + std::strerror(errno), {}}.with("path", path);
}

File open_file(const std::string& path) {
  File file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) throw unreadable(path);
  // A folder opens like a file, and has a size.
  const int first = std::fgetc(file.get());
  if (first != EOF) std::ungetc(first, file.get());
  else if (std::ferror(file.get())) throw unreadable(path);
  return file;
}

}  // namespace lowlat_trt
