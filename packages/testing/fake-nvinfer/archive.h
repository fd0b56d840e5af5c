// Bytes of plans and timing caches: one description of what a structure holds serves writing and reading.
#pragma once
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace fake_nvinfer {

/** `archive(value)` appends it, or fills it in. Reading throws std::runtime_error where the bytes end too early. */
class Archive {
 public:
  static Archive writing(std::string& bytes) { return Archive(&bytes, nullptr, 0); }
  static Archive reading(const std::string& bytes, size_t position = 0) { return Archive(nullptr, &bytes, position); }
  bool is_reading() const { return source_; }
  size_t position() const { return position_; }

  template <class T>
  std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>> operator()(T& value) {
    raw(&value, sizeof value);
  }
  void operator()(std::string& text) {
    uint64_t count = text.size();
    (*this)(count);
    if (source_) text.resize(checked(count));
    raw(text.data(), text.size());
  }
  template <class T>
  void operator()(std::vector<T>& items) {
    uint64_t count = items.size();
    (*this)(count);
    if (source_) items.resize(checked(count));
    for (T& item : items) (*this)(item);
  }
  template <class K, class V>
  void operator()(std::map<K, V>& items) {
    std::vector<std::pair<K, V>> pairs(items.begin(), items.end());
    (*this)(pairs);
    if (source_) items = std::map<K, V>(pairs.begin(), pairs.end());
  }
  template <class T>
  void operator()(std::set<T>& items) {
    std::vector<T> list(items.begin(), items.end());
    (*this)(list);
    if (source_) items = std::set<T>(list.begin(), list.end());
  }
  template <class K, class V>
  void operator()(std::pair<K, V>& pair) {
    (*this)(pair.first);
    (*this)(pair.second);
  }
  /** Structures name their members: `void archive(Archive&, T&)`. */
  template <class T>
  auto operator()(T& value) -> decltype(archive(*this, value)) {
    archive(*this, value);
  }

 private:
  Archive(std::string* target, const std::string* source, size_t position)
      : target_(target), source_(source), position_(position) {}
  size_t checked(uint64_t count) const {
    if (count > source_->size() - position_) throw std::runtime_error("the bytes end too early");
    return static_cast<size_t>(count);
  }
  void raw(void* bytes, size_t count) {
    if (target_) {
      target_->append(static_cast<const char*>(bytes), count);
    } else {
      checked(count);
      std::memcpy(bytes, source_->data() + position_, count);
      position_ += count;
    }
  }

  std::string* target_;
  const std::string* source_;
  size_t position_;
};

}  // namespace fake_nvinfer
