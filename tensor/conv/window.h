// The one reader of images with zeros around them: patches, tiles and bands are all gathered by it. Internal to
// tensor/.
#pragma once

#include <algorithm>
#include <type_traits>

#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/rows.h>

namespace kindling::detail {

/// Runs of `length` contiguous elements. Run r begins at element first + r * step, with step > 0.
struct Runs {
  int64_t count, length, first, step;
};

/// Elements in a cache line of 64 bytes.
template <class T>
inline constexpr int64_t kCacheLine = 64 / sizeof(T);

/// Lets the processor fetch `rows` rows of n elements, where it does not foresee that they are read
/// next: a tile goes through all of its rows at once.
template <class T>
void fetch_rows(const T* from, int64_t rows, int64_t ld, int64_t n) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < n; k += kCacheLine<T>) __builtin_prefetch(from + r * ld + k);
}

/// One row of an image with the padding beside it, as a line of elements: element i is data[i] for
/// 0 <= i < size, and 0 elsewhere.
template <class T>
struct PaddedRow {
  using Element = std::remove_const_t<T>;

  T* data;
  int64_t size;

  /// The numbers of the runs that lie on the image as a whole. Those before begin in the padding,
  /// and those behind end in it.
  Range whole(const Runs& runs) const {
    const int64_t begin = std::min(runs.count, runs.first < 0 ? ceil_div(-runs.first, runs.step) : 0);
    const int64_t room = size - runs.length - runs.first;
    return {begin, std::clamp(room < 0 ? 0 : room / runs.step + 1, begin, runs.count)};
  }

  /// The part of one run that lies on the image, counted from the begin of the run.
  Range covered(int64_t first, int64_t length) const {
    const int64_t begin = std::clamp<int64_t>(-first, 0, length);
    return {begin, std::clamp(size - first, begin, length)};
  }

  /// Run r goes to to[r * ld + k], k < length.
  void read(Runs runs, Element* to, int64_t ld) const {
    if (size == 0) return fill_zeros(runs.count, runs.length, to, ld);
    if (runs.step == runs.length && ld == runs.length) runs = {1, runs.count * runs.length, runs.first, runs.step};
    const auto [begin, end] = whole(runs);
    for (int64_t r = 0; r < begin; ++r) read_clipped(runs.first + r * runs.step, runs.length, to + r * ld);
    kernels::table<Element>().copy_rows(end - begin, runs.length, to + begin * ld, ld,
                                        data + runs.first + begin * runs.step, runs.step);
    for (int64_t r = end; r < runs.count; ++r) read_clipped(runs.first + r * runs.step, runs.length, to + r * ld);
  }

 private:
  void read_clipped(int64_t first, int64_t length, Element* to) const {
    const auto [begin, end] = covered(first, length);
    std::fill_n(to, begin, Element(0));
    if (end > begin) std::copy_n(data + first + begin, end - begin, to + begin);
    std::fill_n(to + end, length - end, Element(0));
  }
};

/// Row h of an image of x [N,H,W,C]. Above and below the image all is padding.
template <class T>
PaddedRow<T> padded_row(const kernels::ConvShape& s, Pixels<T> x, int64_t image, int64_t h) {
  if (h < 0 || h >= s.H) return {nullptr, 0};
  return {x.data + (image * s.H + h) * s.W * x.ld, s.W * x.ld};
}

/// Neighbouring columns of the patch that are neighbours in the image too: `length` elements, from
/// element `first` on, of the `taps` pixels that lie (dh, dw) from the window's corner. `column` is
/// counted from the first column that was asked for.
struct PatchRun {
  int64_t column, dh, dw, taps, first, length;
};

/// Calls f(run) for the runs that make up some columns of a patch.
template <class F>
void for_each_patch_run(const kernels::ConvShape& s, Range columns, F f) {
  const int64_t taps = s.dilation_w == 1 && s.groups == 1 ? s.KW : 1, size = taps * s.group_in();
  for (int64_t k = columns.begin; k < columns.end;) {
    const int64_t tap = k / size * taps, first = k % size, length = std::min(size - first, columns.end - k);
    f(PatchRun{k - columns.begin, tap / s.KW * s.dilation_h, tap % s.KW * s.dilation_w, taps, first, length});
    k += length;
  }
}

/// Some columns of the patches (rows of the im2col matrix) of one group, for output pixels counted
/// through all images of x [N,H,W,C]. Row r goes to to[r * ld ...].
template <class T>
void gather_patches(const kernels::ConvShape& s, const T* x, int64_t group, Range columns, Range pixels, T* to,
                    int64_t ld) {
  while (pixels.begin < pixels.end) {
    const int64_t image = pixels.begin / (s.OH * s.OW), i = pixels.begin / s.OW % s.OH, j = pixels.begin % s.OW;
    const int64_t here = std::min(pixels.size(), s.OW - j);
    for_each_patch_run(s, columns, [&](const PatchRun& run) {
      const int64_t w = j * s.stride_w - s.pad_w + run.dw;
      padded_row<const T>(s, {x, s.C}, image, i * s.stride_h - s.pad_h + run.dh)
          .read({here, run.length, w * s.C + group * s.group_in() + run.first, s.stride_w * s.C}, to + run.column, ld);
    });
    pixels.begin += here;
    to += here * ld;
  }
}

}  // namespace kindling::detail
