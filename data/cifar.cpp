#include <kindling/data/cifar.h>

#include <filesystem>

#include <kindling/data/files.h>

namespace kindling::data {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kSide = 32, kPixels = kSide * kSide, kChannels = 3;
constexpr int64_t kRecord = 1 + kChannels * kPixels;  // bytes
const std::vector<std::string> kClasses{"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};

// The records of one file, checked.
std::vector<std::byte> read_records(const fs::path& path) {
  std::vector<std::byte> bytes = read_file(path);
  const auto size = static_cast<int64_t>(bytes.size());
  if (size == 0) file_error(path, "the file is empty");
  if (size % kRecord != 0)
    file_error(path, "the record at byte ", size - size % kRecord, " is cut short: the file has ", size,
               " bytes, a record ", kRecord);
  for (int64_t at = 0; at < size; at += kRecord) {
    const auto label = std::to_integer<size_t>(bytes[static_cast<size_t>(at)]);
    if (label >= kClasses.size()) file_error(path, "class ", label, " at byte ", at, " is not one of 0 to 9");
  }
  return bytes;
}

DatasetPtr to_dataset(const std::vector<std::byte>& records) {
  const int64_t count = static_cast<int64_t>(records.size()) / kRecord;
  Tensor images = Tensor::empty({count, kSide, kSide, kChannels}, DType::u8);
  Tensor labels = Tensor::empty({count}, DType::i64);
  auto* pixel = images.data<uint8_t>();
  for (int64_t i = 0; i < count; ++i) {
    const auto* record = reinterpret_cast<const uint8_t*>(records.data()) + i * kRecord;
    labels.data<int64_t>()[i] = record[0];
    for (int64_t p = 0; p < kPixels; ++p)
      for (int64_t c = 0; c < kChannels; ++c) *pixel++ = record[1 + c * kPixels + p];
  }
  return std::make_shared<TensorDataset>(images, labels, kClasses);
}

fs::path find_root(const fs::path& path) {
  const fs::path inner = path / "cifar-10-batches-bin";
  const fs::path root = is_folder(inner) ? inner : path;
  if (!has_entry(root / "data_batch_1.bin") && !has_entry(root / "test_batch.bin"))
    file_error(path,
               "has no data_batch_1.bin to data_batch_5.bin and test_batch.bin, CIFAR-10's binary version; "
               "images in folders are read as folder:",
               path.string());
  return root;
}

}  // namespace

DatasetPtr cifar10_file(const std::string& path) { return to_dataset(read_records(path)); }

DatasetPtr cifar10_test(const std::string& path) { return cifar10_file(find_root(path) / "test_batch.bin"); }

Splits cifar10(const std::string& path, const HoldOut& hold_out) {
  const fs::path root = find_root(path);
  std::vector<std::byte> records;
  for (int i = 1; i <= 5; ++i) {
    const std::vector<std::byte> part = read_records(root / ("data_batch_" + std::to_string(i) + ".bin"));
    records.insert(records.end(), part.begin(), part.end());
  }
  Splits splits = split(to_dataset(records), hold_out);
  splits.test = cifar10_test(path);
  return splits;
}

}  // namespace kindling::data
