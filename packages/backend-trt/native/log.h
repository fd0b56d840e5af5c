// Where one builder's or runtime's messages go: the last ones of weight are kept, all are passed on.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "events.h"
#include "failure.h"

namespace lowlat_trt {

class LogSink {
 public:
  /** Passes on what is at least so severe; `events` may be null. */
  LogSink(std::shared_ptr<EventChannel> events, Severity threshold) : events_(std::move(events)), threshold_(threshold) {}

  /** From any thread. The text is copied, up to 8 KiB of it. */
  void add(Severity severity, const char* text) noexcept;
  /** How many warnings and worse there have been: where `recent` may begin. */
  uint64_t mark() const;
  /** Of the last 100 warnings and worse those since a mark, oldest first. */
  std::vector<LogMessage> recent(uint64_t since = 0) const;

 private:
  const std::shared_ptr<EventChannel> events_;
  const Severity threshold_;
  mutable std::mutex mutex_;
  std::deque<LogMessage> recent_;
  uint64_t count_ = 0;
};

/** Whether there is an error among them. */
bool tells_of_errors(const std::vector<LogMessage>& messages);
/** Whether an error says that memory could not be had. */
bool tells_of_memory(const std::vector<LogMessage>& messages);

}  // namespace lowlat_trt
