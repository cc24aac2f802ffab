#include <kindling/train/speed_meter.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace kindling;

TEST_CASE("the speed meter measures training and foretells the rest") {
  SpeedMeter speed;
  CHECK(speed.images_per_second() == 0);
  CHECK(speed.seconds_left(100, 1) == 0);
  speed.start_epoch();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  speed.add_update(10);
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  speed.add_validation();

  const double update = 10 / speed.images_per_second();  // seconds
  CHECK(update >= 0.02);
  CHECK(speed.epoch_images_per_second() == speed.images_per_second());
  CHECK(speed.epoch_seconds() >= 0.06);
  CHECK_THAT(speed.seconds_left(3, 0), Catch::WithinRel(3 * update, 1e-9));
  CHECK(speed.seconds_left(3, 2) >= 3 * update + 2 * 0.04);

  speed.start_epoch();
  CHECK(speed.epoch_images_per_second() == 0);
  CHECK(speed.images_per_second() > 0);
}
