#include <kindling/train/tensorboard.h>

#include <events.pb.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>

#include <kindling/io/atomic_file.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include "../io/file_size_limit.h"
#include "small_problem.h"

using namespace kindling;
using tensorboard::Event;

namespace {

template <class T>
T take(std::string& bytes) {
  T value;
  REQUIRE(bytes.size() >= sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.erase(0, sizeof value);
  return value;
}

/// Reads TFRecords as TensorBoard does: length, its checksum, data, its checksum.
std::vector<Event> read_events(const std::string& path) {
  std::string bytes = read_file(path);
  std::vector<Event> events;
  while (!bytes.empty()) {
    const std::string length_bytes = bytes.substr(0, 8);
    const auto length = take<uint64_t>(bytes);
    CHECK(take<uint32_t>(bytes) == masked_crc32c(length_bytes));
    REQUIRE(bytes.size() >= length);
    const std::string data = bytes.substr(0, length);
    bytes.erase(0, length);
    CHECK(take<uint32_t>(bytes) == masked_crc32c(data));
    REQUIRE(events.emplace_back().ParseFromString(data));
  }
  return events;
}

/// Step and tag of every summary in a file.
std::vector<std::pair<int64_t, std::string>> summaries(const std::string& path) {
  std::vector<std::pair<int64_t, std::string>> result;
  for (const Event& event : read_events(path))
    if (event.has_summary()) result.emplace_back(event.step(), event.summary().value(0).tag());
  return result;
}

}  // namespace

TEST_CASE("CRC-32C has its published values") {
  const auto unmasked = [](std::string_view bytes) { return std::rotl(masked_crc32c(bytes) - 0xA282EAD8U, 15); };
  CHECK(unmasked("123456789") == 0xE3069283U);              // the check value of the catalogue of CRCs
  CHECK(unmasked(std::string(32, '\0')) == 0x8A9136AAU);    // RFC 3720, B.4
  CHECK(unmasked(std::string(32, '\xFF')) == 0x62A8AB43U);  // the same
}

TEST_CASE("an event file begins with its version and the step from which older ones are void") {
  const TemporaryFolder folder;
  EventWriter(folder.path(), 21).flush();
  CHECK(folder.listing() == "events.out.tfevents.0000000021");
  const std::vector<Event> events = read_events(folder / "events.out.tfevents.0000000021");
  REQUIRE(events.size() == 2);
  CHECK(events[0].file_version() == "brain.Event:2");
  CHECK(events[0].wall_time() > 1.7e9);
  CHECK(events[1].session_log().status() == tensorboard::SessionLog::START);
  CHECK(events[1].step() == 21);
}

TEST_CASE("scalars and histograms come back") {
  const TemporaryFolder folder;
  {
    EventWriter writer(folder.path(), 1);
    writer.add_scalar("train/loss", 0.75, 3);
    writer.add_histogram("weights/w", Tensor::from<float>({-1, 2, 0, 0.5F, 2, -1}), 4);
    writer.add_histogram("weights/constant", Tensor::full({5}, 3.0), 4);
  }
  const std::vector<Event> events = read_events(folder / "events.out.tfevents.0000000001");
  REQUIRE(events.size() == 5);
  const auto& scalar = events[2].summary().value(0);
  CHECK(events[2].step() == 3);
  CHECK(scalar.tag() == "train/loss");
  CHECK(scalar.simple_value() == 0.75F);

  const auto& histogram = events[3].summary().value(0).histo();
  CHECK(events[3].summary().value(0).tag() == "weights/w");
  CHECK(histogram.min() == -1);
  CHECK(histogram.max() == 2);
  CHECK(histogram.num() == 6);
  CHECK(histogram.sum() == 2.5);
  CHECK(histogram.sum_squares() == 10.25);
  REQUIRE(histogram.bucket_size() == 30);
  REQUIRE(histogram.bucket_limit_size() == 30);
  CHECK(histogram.bucket(0) == 2);   // -1 twice
  CHECK(histogram.bucket(9) == 1);   // 0: the end of the tenth interval of width 0.1
  CHECK(histogram.bucket(14) == 1);  // 0.5
  CHECK(histogram.bucket(29) == 2);  // 2 twice
  CHECK(histogram.bucket_limit(29) == 2);

  const auto& constant = events[4].summary().value(0).histo();
  CHECK(constant.bucket(0) == 5);
  CHECK(constant.bucket_limit(29) == 3);
}

TEST_CASE("histograms of NaN and folders that are not there are refused") {
  const TemporaryFolder folder;
  EventWriter writer(folder.path(), 1);
  CHECK_THROWS_MATCHES(writer.add_histogram("w", Tensor::from<float>({1, NAN}), 1), Error,
                       Catch::Message("histogram \"w\": a value is not finite"));
  const std::string missing = folder / "missing";
  CHECK_THROWS_MATCHES(
      EventWriter(missing, 1), FileError,
      Catch::Message(missing + "/events.out.tfevents.0000000001: cannot be made: No such file or directory"));
}

TEST_CASE("what comes again, and what is damaged, is cut from event files") {
  const TemporaryFolder folder;
  const std::string file = folder / "events.out.tfevents.0000000001";
  const auto write = [&] {
    std::filesystem::remove(file);
    EventWriter writer(folder.path(), 1);
    for (int64_t step = 1; step <= 3; ++step) writer.add_scalar("train/loss", 0.5, step);
    writer.add_scalar("val/loss", 0.5, 3);
    writer.add_scalar("train/loss", 0.5, 4);
  };
  using Summaries = std::vector<std::pair<int64_t, std::string>>;
  const Summaries until_3{{1, "train/loss"}, {2, "train/loss"}, {3, "train/loss"}};
  write();
  cut_events(folder.path(), [](int64_t step, const std::string&) { return step > 3; });
  Summaries with_validation = until_3;
  with_validation.emplace_back(3, "val/loss");
  CHECK(summaries(file) == with_validation);
  cut_events(folder.path(), [](int64_t, const std::string& tag) { return tag == "val/loss"; });
  CHECK(summaries(file) == until_3);

  write();
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 5);
  const auto nothing = [](int64_t, const std::string&) { return false; };
  cut_events(folder.path(), nothing);
  CHECK(summaries(file) == with_validation);
  write_file(file, std::string(40, '\xFF'));  // a length beyond all files
  cut_events(folder.path(), nothing);
  CHECK(read_file(file).empty());
}

TEST_CASE("event files of others are not cut, and keep a new run from their folder") {
  const TemporaryFolder folder;
  CHECK_NOTHROW(refuse_events(folder.path()));
  CHECK_NOTHROW(refuse_events(folder / "none"));
  const std::string other = folder / "events.out.tfevents.1700000000.host.42.0";
  write_file(other, "damaged, or of a later version");
  cut_events(folder.path(), [](int64_t, const std::string&) { return true; });
  CHECK(read_file(other) == "damaged, or of a later version");
  CHECK_THROWS_WITH(refuse_events(folder.path()), Catch::StartsWith(other + ": is a file of events of another "));

  Sequential net = small_net(1);
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.01}), {.batch_size = 4});
  const FitOptions options{.epochs = 1, .run = folder.path(), .curves = false, .tensorboard = true};
  CHECK_THROWS_WITH(trainer.fit(quarters(8, 1), nullptr, options), Catch::Contains("of another training"));
  CHECK(folder.listing() == "events.out.tfevents.1700000000.host.42.0");
}

TEST_CASE("a file that is there is continued") {
  const TemporaryFolder folder;
  for (int64_t step = 1; step <= 2; ++step) EventWriter(folder.path(), 1).add_scalar("train/loss", 0.5, step);
  const std::vector<Event> events = read_events(folder / "events.out.tfevents.0000000001");
  REQUIRE(events.size() == 4);  // the version and the start are there once
  CHECK(events[2].step() == 1);
  CHECK(events[3].step() == 2);
}

TEST_CASE("events that do not fit on the disk wait until they do") {
  const TemporaryFolder folder;
  EventWriter writer(folder.path(), 1);
  writer.flush();
  writer.add_scalar("train/loss", 0.5, 1);
  const std::string file = folder / "events.out.tfevents.0000000001";
  {
    const FileSizeLimit limit(std::filesystem::file_size(file) + 5);
    CHECK_THROWS_MATCHES(writer.flush(), FileError, Catch::Message(file + ": cannot be written: no space left"));
    CHECK(summaries(file).empty());
  }
  writer.add_scalar("train/loss", 0.5, 2);
  writer.flush();
  CHECK(summaries(file).size() == 2);
}
