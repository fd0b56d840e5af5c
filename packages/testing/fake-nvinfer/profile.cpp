#include "builder.h"
#include "callbacks.h"

namespace fake_nvinfer {
namespace {

template <class List>
bool in_order(const std::vector<List>& all) {
  for (size_t i = 0; i < all.size(); i++) {
    if (all[i].size() != all[0].size()) return false;
    for (size_t d = 0; i && d < all[i].size(); d++)
      if (all[i][d] < all[i - 1][d]) return false;
  }
  return true;
}

/** -1 marks what was not set: no dimension and no valid profile has it. */
template <class List>
bool complete(const std::map<std::string, std::vector<List>>& ranges) {
  for (const auto& [name, all] : ranges) {
    for (const List& list : all)
      if (list.size() == 1 && list[0] == INT64_MIN) return false;
    if (!in_order(all)) return false;
  }
  return true;
}

template <class List>
void set(std::map<std::string, std::vector<List>>& ranges, const char* name, Selector selector, List list) {
  auto& all = ranges.emplace(name, std::vector<List>(3, List{INT64_MIN})).first->second;
  all[static_cast<size_t>(selector)] = std::move(list);
}

template <class List>
const List* get(const std::map<std::string, std::vector<List>>& ranges, const char* name, Selector selector) {
  const auto found = ranges.find(name);
  if (found == ranges.end()) return nullptr;
  const List& list = found->second[static_cast<size_t>(selector)];
  return list.size() == 1 && list[0] == INT64_MIN ? nullptr : &list;
}

bool is_selector(Selector selector) { return selector >= Selector::min && selector <= Selector::max; }

}  // namespace

bool is_valid(const ProfileRanges& ranges) { return complete(ranges.shapes) && complete(ranges.values); }

FAKE_METHOD(OptimizationProfile, setDimensions, bool, (Profile & self, const char* name, Selector selector, const Dims& dims)) {
  Shape shape;
  if (!name || !is_selector(selector) || !to_shape(dims, shape) || is_dynamic(shape)) {
    report(self, ErrorCode::invalid_argument, "OptimizationProfile.setDimensions", "a name, a selector and sizes that are not negative");
    return false;
  }
  for (const Selector other : {Selector::min, Selector::opt, Selector::max}) {
    const Shape* known = other == selector ? nullptr : get(self.ranges.shapes, name, other);
    if (!known || known->size() == shape.size()) continue;
    report(self, ErrorCode::invalid_argument, "OptimizationProfile.setDimensions", std::string(name) + " was given another rank before");
    return false;
  }
  set(self.ranges.shapes, name, selector, shape);
  return true;
}

FAKE_METHOD(OptimizationProfile, getDimensions, Dims, (Profile & self, const char* name, Selector selector)) {
  const Shape* shape = get(self.ranges.shapes, name, selector);
  return shape ? to_dims(*shape) : no_dims();
}

FAKE_METHOD(OptimizationProfile, setShapeValuesV2, bool,
            (Profile & self, const char* name, Selector selector, const int64_t* values, int32_t count)) {
  if (!name || !is_selector(selector) || !values || count < 0) return false;
  set(self.ranges.values, name, selector, std::vector<int64_t>(values, values + count));
  return true;
}

FAKE_METHOD(OptimizationProfile, setShapeValues, bool,
            (Profile & self, const char* name, Selector selector, const int32_t* values, int32_t count)) {
  if (!name || !is_selector(selector) || !values || count < 0) return false;
  set(self.ranges.values, name, selector, std::vector<int64_t>(values, values + count));
  return true;
}

FAKE_METHOD(OptimizationProfile, getNbShapeValues, int32_t, (Profile & self, const char* name)) {
  const std::vector<int64_t>* values = get(self.ranges.values, name, Selector::min);
  return values ? static_cast<int32_t>(values->size()) : -1;
}

FAKE_METHOD(OptimizationProfile, getShapeValuesV2, const int64_t*, (Profile & self, const char* name, Selector selector)) {
  const std::vector<int64_t>* values = get(self.ranges.values, name, selector);
  return values ? values->data() : nullptr;
}

FAKE_METHOD(OptimizationProfile, setExtraMemoryTarget, bool, (Profile & self, float target)) {
  if (!(target >= 0 && target <= 1)) return false;
  self.extra_memory = target;
  return true;
}
FAKE_METHOD(OptimizationProfile, getExtraMemoryTarget, float, (Profile & self)) { return self.extra_memory; }
FAKE_METHOD(OptimizationProfile, isValid, bool, (Profile & self)) { return is_valid(self.ranges); }

}  // namespace fake_nvinfer
