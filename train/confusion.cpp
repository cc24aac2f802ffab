#include <kindling/train/confusion.h>

#include <algorithm>
#include <cmath>

#include <kindling/tensor/check.h>

namespace kindling {

void Confusion::add(int64_t label, int64_t answer) {
  check(label >= 0 && label < classes_ && answer >= kNone && answer < classes_, "Confusion", "class ", label,
        " taken for ", answer, ", of ", classes_, " classes");
  ++samples_[static_cast<size_t>(label)];
  if (answer != kNone) ++counts_[{label, answer}];
}

int64_t Confusion::count(int64_t label, int64_t answer) const {
  const auto found = counts_.find({label, answer});
  return found == counts_.end() ? 0 : found->second;
}

std::optional<double> Confusion::top1(int64_t label) const {
  if (samples(label) == 0) return std::nullopt;
  return 100.0 * static_cast<double>(count(label, label)) / static_cast<double>(samples(label));
}

std::vector<Confusion::Mistake> Confusion::mistakes() const {
  std::vector<Mistake> result;
  for (const auto& [pair, count] : counts_)
    if (pair.first != pair.second) result.push_back({pair.first, pair.second, count});
  std::stable_sort(result.begin(), result.end(), [](const Mistake& a, const Mistake& b) { return a.count > b.count; });
  return result;
}

std::vector<int64_t> answers(const Tensor& output) {
  check(output.rank() == 2, "answers", "needs outputs [N, classes], got ", output.shape());
  const Tensor rows = output.contiguous();
  const int64_t classes = rows.size(1);
  std::vector<int64_t> result;
  visit_floating("answers", rows.dtype(), [&](auto t) {
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const auto* row = rows.data<decltype(t)>() + i * classes;
      int64_t best = Confusion::kNone;
      for (int64_t c = 0; c < classes; ++c)
        if (!std::isnan(row[c]) && (best == Confusion::kNone || row[c] > row[best])) best = c;
      result.push_back(best);
    }
  });
  return result;
}

}  // namespace kindling
