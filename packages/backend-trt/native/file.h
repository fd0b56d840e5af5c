// Files that are read.
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include "failure.h"

namespace lowlat_trt {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/** With the reason that `errno` gives. */
Failure unreadable(const std::string& path);
/** At its start. @throws Failure FILE_UNREADABLE {path}, for folders too. */
File open_file(const std::string& path);

}  // namespace lowlat_trt
