// Every outline is a signed distance: negative inside, in units of the figure's
// radius (exact or, outside of corners, a little short, which only rounds those).
// The share of a pixel that is covered is taken from the distance at its centre.
#include <kindling/data/shapes_draw.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace kindling::data {
namespace {

constexpr int kSide = kShapesSide;
constexpr float kPi = std::numbers::pi_v<float>;

struct Point {
  float x, y;
};
float length(float x, float y) { return std::sqrt(x * x + y * y); }

float box(Point p, float half_width, float half_height) {
  const float dx = std::abs(p.x) - half_width, dy = std::abs(p.y) - half_height;
  return length(std::max(dx, 0.0f), std::max(dy, 0.0f)) + std::min(std::max(dx, dy), 0.0f);
}

float disc(Point p) { return length(p.x, p.y) - 0.85f; }
float ring(Point p) { return std::abs(length(p.x, p.y) - 0.7f) - 0.2f; }
float square(Point p) { return box(p, 0.72f, 0.72f); }
float triangle(Point p) { return std::max(0.8660254f * std::abs(p.x) + 0.5f * p.y, -p.y) - 0.5f; }
float cross(Point p) { return std::min(box(p, 0.9f, 0.27f), box(p, 0.27f, 0.9f)); }
float crescent(Point p) { return std::max(length(p.x, p.y) - 0.9f, 0.75f - length(p.x - 0.45f, p.y)); }
float hourglass(Point p) {
  constexpr float kSlope = 0.85f, kWaist = 0.07f;
  const float side = (std::abs(p.y) - kSlope * std::abs(p.x) - kWaist) / length(1, kSlope);
  return std::max(std::abs(p.x) - 0.8f, side);
}

// A shaft along x and a head with its tip at x = 0.95.
float arrow(Point p) {
  constexpr float kTip = 0.95f, kNeck = 0.1f, kHalfWidth = 0.65f;
  const float side = ((p.x - kTip) * kHalfWidth + std::abs(p.y) * (kTip - kNeck)) / length(kHalfWidth, kTip - kNeck);
  return std::min(box({p.x + 0.4f, p.y}, 0.55f, 0.17f), std::max(kNeck - p.x, side));
}

// A square of side 2a standing on a corner, and two discs of radius a on its upper sides.
float heart(Point p) {
  constexpr float kA = 0.52f, kMiddle = kA * 0.70710678f;
  const float x = std::abs(p.x), y = p.y + 0.08f;
  const float corner = (x + std::abs(y)) * 0.70710678f - kA;
  return std::min(corner, length(x - kMiddle, y - kMiddle) - kA);
}

// Mirrors p to the side of the line through the origin, at `angle` from the y axis, on which the y axis lies.
Point fold(Point p, float angle) {
  const float nx = std::cos(angle), ny = -std::sin(angle);
  const float beyond = std::max(0.0f, p.x * nx + p.y * ny);
  return {p.x - 2 * beyond * nx, p.y - 2 * beyond * ny};
}

// Five tips at radius 1, five corners between them at kInner: folding leaves half a tip, one straight edge.
float star(Point p) {
  constexpr float kInner = 0.42f, kFifth = kPi / 5;
  p = fold(fold({std::abs(p.x), p.y}, 3 * kFifth), kFifth);
  const float nx = 1 - kInner * std::cos(kFifth), ny = kInner * std::sin(kFifth);
  return (std::abs(p.x) * nx + (p.y - 1) * ny) / length(nx, ny);
}

using Colour = std::array<float, 3>;  // 0..1

// Two colours mixed by waves: stripes along one direction or, with both waves, a soft chequerboard.
struct Texture {
  Colour base, change;
  Point wave1, wave2;  // cycles a pixel
  float phase;         // cycles

  // 0 at whole numbers, 1 between them, with edges of a third of a cycle. u > -100.
  static float wave(float u) {
    const float shifted = u + 100.0f, part = shifted - static_cast<float>(static_cast<int>(shifted));
    return std::clamp(2.0f - 3.0f * std::abs(2.0f * part - 1.0f), 0.0f, 1.0f);
  }
  float mix(float x, float y) const {
    const float a = wave(wave1.x * x + wave1.y * y + phase), b = wave(wave2.x * x + wave2.y * y);
    return a + b - 2 * a * b;
  }
};

class Canvas {
 public:
  /// Paints the pixels where `distance(x, y)`, in pixels, is negative; the centre of pixel i is at
  /// i + 0.5. Only pixels within `radius` of `centre` are examined.
  template <class Distance>
  void paint(Point centre, float radius, const Texture& texture, const Distance& distance) {
    const auto first = [radius](float c) { return std::max(0, static_cast<int>(c - radius)); };
    const auto end = [radius](float c) { return std::min(kSide, static_cast<int>(c + radius) + 1); };
    for (int row = first(centre.y); row < end(centre.y); ++row)
      for (int column = first(centre.x); column < end(centre.x); ++column) {
        const float x = static_cast<float>(column) + 0.5f, y = static_cast<float>(row) + 0.5f;
        const float covered = std::clamp(0.5f - distance(x, y), 0.0f, 1.0f), mix = texture.mix(x, y);
        float* pixel = &pixels_[static_cast<size_t>(3 * (row * kSide + column))];
        for (size_t c = 0; c < 3; ++c) pixel[c] += covered * (texture.base[c] + mix * texture.change[c] - pixel[c]);
      }
  }

  /// To bytes, each with noise uniform in +-amplitude (of 0..1).
  void write(float amplitude, const Rng& noise, uint8_t* out) const {
    constexpr size_t kBytes = 8;  // of one draw
    for (size_t i = 0; i < pixels_.size(); i += kBytes) {
      uint64_t bits = noise.bits(i / kBytes);
      for (size_t k = i; k < i + kBytes; ++k, bits >>= 8) {
        const float uniform = (static_cast<float>(bits & 0xFF) - 127.5f) / 127.5f;
        out[k] = static_cast<uint8_t>(std::clamp(255 * (pixels_[k] + amplitude * uniform), 0.0f, 255.0f) + 0.5f);
      }
    }
  }

 private:
  std::array<float, 3 * kSide * kSide> pixels_{};
};

// The random choices of one image.
class Artist {
 public:
  explicit Artist(Rng rng) : rng_(rng) {}

  float between(float low, float high) { return static_cast<float>(rng_.next_uniform(low, high)); }
  int64_t below(int64_t n) { return rng_.next_below(n); }

  Colour colour() { return {between(0.1f, 0.9f), between(0.1f, 0.9f), between(0.1f, 0.9f)}; }
  // So far from `other` that noise and textures do not drown the difference.
  Colour colour_unlike(const Colour& other) {
    constexpr float kDistance = 0.55f;
    for (;;) {
      const Colour candidate = colour();
      const float d0 = candidate[0] - other[0], d1 = candidate[1] - other[1], d2 = candidate[2] - other[2];
      if (d0 * d0 + d1 * d1 + d2 * d2 > kDistance * kDistance) return candidate;
    }
  }

  // Plain, striped or chequered, each as likely.
  Texture texture(const Colour& base, float strength) {
    const int64_t waves = below(3);
    const float angle = between(0, kPi), frequency = between(0.1f, 0.25f);
    const Point along{frequency * std::cos(angle), frequency * std::sin(angle)};
    const Point across{-along.y, along.x}, none{0, 0};
    const Colour change{between(-strength, strength), between(-strength, strength), between(-strength, strength)};
    return {base, change, waves > 0 ? along : none, waves > 1 ? across : none, waves > 0 ? between(0, 1) : 0};
  }
  Texture plain(const Colour& base) { return {base, {}, {}, {}, 0}; }

  // A straight stroke; a blob if it is short.
  void add_clutter(Canvas& canvas, float max_length, float max_width) {
    const Point centre{between(0, kSide), between(0, kSide)};
    const float angle = between(0, kPi), half = between(0, max_length) / 2, width = between(0.5f, max_width);
    const Point along{std::cos(angle), std::sin(angle)};
    canvas.paint(centre, half + width + 1, plain(colour()), [=](float x, float y) {
      const float dx = x - centre.x, dy = y - centre.y;
      const float t = std::clamp(dx * along.x + dy * along.y, -half, half);
      return length(dx - t * along.x, dy - t * along.y) - width;
    });
  }

  template <float (*kOutline)(Point)>
  void add_figure(Canvas& canvas, const Texture& texture) {
    const float radius = between(8, 12), angle = between(-kPi, kPi), slack = kSide / 2 - radius;
    const Point centre{kSide / 2 + between(-slack, slack), kSide / 2 + between(-slack, slack)};
    const float cosine = std::cos(angle) / radius, sine = std::sin(angle) / radius;
    canvas.paint(centre, radius + 1, texture, [=](float x, float y) {
      const float dx = x - centre.x, dy = y - centre.y;
      return radius * kOutline({cosine * dx + sine * dy, cosine * dy - sine * dx});
    });
  }

 private:
  Rng rng_;
};

using AddFigure = void (Artist::*)(Canvas&, const Texture&);
constexpr std::array<AddFigure, kFigures.size()> kAddFigure{
    &Artist::add_figure<disc>,     &Artist::add_figure<ring>,  &Artist::add_figure<square>,
    &Artist::add_figure<triangle>, &Artist::add_figure<star>,  &Artist::add_figure<cross>,
    &Artist::add_figure<crescent>, &Artist::add_figure<arrow>, &Artist::add_figure<heart>,
    &Artist::add_figure<hourglass>};

}  // namespace

void draw_figure(int figure, Rng rng, uint8_t* pixels) {
  constexpr float kNoise = 0.1f;
  Artist artist(rng.fork(0));
  Canvas canvas;
  const Colour ground = artist.colour();
  canvas.paint({kSide / 2, kSide / 2}, kSide, artist.texture(ground, 0.15f), [](float, float) { return -1.0f; });
  for (int64_t left = 3 + artist.below(4); left > 0; --left) artist.add_clutter(canvas, 16, 1.5f);
  const Texture texture = artist.texture(artist.colour_unlike(ground), 0.2f);
  (artist.*kAddFigure[static_cast<size_t>(figure)])(canvas, texture);
  for (int64_t left = 1 + artist.below(3); left > 0; --left) artist.add_clutter(canvas, 12, 0.8f);
  canvas.write(kNoise, rng.fork(1), pixels);
}

}  // namespace kindling::data
