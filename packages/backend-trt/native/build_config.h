// A builder's settings.
#pragma once
#include <cstring>

#include "build_request.h"
#include "host_memory.h"
#include "refusal.h"

namespace lowlat_trt {

class BuildConfig {
 public:
  /** @throws Failure BUILD_FAILED. */
  BuildConfig(const Abi& abi, void* builder, ErrorRecorder& recorder, const LogSink& sink);

  /** All settings and profiles. @throws Failure FLAG_UNSUPPORTED, PROFILE_INVALID, CALL_UNAVAILABLE, REFUSED. */
  void set(const BuildRequest& request, const std::vector<std::string>& used_plugins);
  void* get() const { return config_.get(); }
  /** @param owner what has to outlive the builder. @returns false where an empty cache had to be taken. @throws Failure REFUSED. */
  bool attach_timing_cache(const std::optional<Source>& bytes, Owned& owner);
  /** After the build: with what it measured. */
  HostMemory timing_cache() const;

 private:
  void set_choices(const BuildRequest& request);
  void set_plugins(const BuildRequest& request, const std::vector<std::string>& used);
  bool attach(Owned& owner, const void* bytes, size_t size);
  void add_profile(const std::vector<ProfileRange>& ranges, size_t index);
  void set_range(void* profile, const ProfileRange& range, size_t index);
  [[noreturn]] void refuse_profile(const std::string& input, size_t index) const;
  void accept(bool accepted, const char* call) const;
  /** A setting that TensorRT answers with nothing: refused where it records or logs an error. */
  template <class... Parameters, class... Arguments>
  void apply(const Call<void, Parameters...>& setter, Arguments... arguments) {
    recorder_.reset();
    const uint64_t mark = sink_.mark();
    abi_.call(setter, get(), arguments...);
    if (!recorder_.errors(abi_).empty() || tells_of_errors(sink_.recent(mark)))
      throw refused(std::strchr(methodName(setter.method), '.') + 1, abi_, recorder_, sink_, mark);
  }

  const Abi& abi_;
  void* const builder_;
  ErrorRecorder& recorder_;
  const LogSink& sink_;
  Owned config_;
};

}  // namespace lowlat_trt
