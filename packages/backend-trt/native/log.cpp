#include "log.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace lowlat_trt {

namespace {

constexpr size_t kept = 100;
constexpr size_t longest = 8192;

/** Not in the middle of a UTF-8 sequence. */
size_t cut(const char* text) {
  size_t length = strnlen(text, longest);
  if (length == longest)
    while (length > 0 && (text[length] & 0xc0) == 0x80) length--;
  return length;
}

}  // namespace

void LogSink::add(Severity severity, const char* text) noexcept {
  try {
    if (!text) return;
    if (severity < Severity::internal_error || severity > Severity::verbose) severity = Severity::error;
    const std::string copy(text, cut(text));
    if (severity <= Severity::warning) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (recent_.size() == kept) recent_.pop_front();
      recent_.push_back({severity, copy});
      count_++;
    }
    if (events_ && severity <= threshold_) {
      Event event{Event::Kind::log, copy};
      event.severity = severity;
      events_->push(std::move(event));
    }
  } catch (const std::exception&) {
    // Out of memory: a message is lost, the work goes on.
  }
}

uint64_t LogSink::mark() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return count_;
}

std::vector<LogMessage> LogSink::recent(uint64_t since) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t wanted = std::min<uint64_t>(count_ - since, recent_.size());
  return {recent_.end() - static_cast<std::ptrdiff_t>(wanted), recent_.end()};
}

bool tells_of_errors(const std::vector<LogMessage>& messages) {
  return std::any_of(messages.begin(), messages.end(), [](const LogMessage& message) { return message.severity <= Severity::error; });
}

bool tells_of_memory(const std::vector<LogMessage>& messages) {
  for (const LogMessage& message : messages) {
    if (message.severity > Severity::error) continue;
    std::string text = message.text;
    for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    for (const char* sign : {"out of memory", "outofmemory", "cudaerrormemoryallocation", "cuda_error_out_of_memory"})
      if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace lowlat_trt
