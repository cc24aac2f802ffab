#include <kindling/data/mnist.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>

#include <zlib.h>

#include <kindling/data/files.h>

namespace kindling::data {

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kDigits{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

// A file, plain or compressed by gzip: zlib reads both alike.
class GzipFile {
 public:
  explicit GzipFile(const fs::path& path) : path_(path) {
    check_is_file(path);
    file_ = gzopen(path.c_str(), "rb");
    if (file_ == nullptr) file_error(path, "cannot be opened: ", std::strerror(errno));
  }
  ~GzipFile() { gzclose(file_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  // The next `count` bytes, or what is left of them. Memory is
  // taken as they come, as `count` is only what a header says.
  std::vector<uint8_t> read(int64_t count) {
    constexpr int64_t kStep = 1 << 20;
    std::vector<uint8_t> bytes;
    for (int64_t done = 0; done < count;) {
      const int64_t step = std::min(kStep, count - done);
      bytes.resize(static_cast<size_t>(done + step));
      const int64_t got = gzread(file_, bytes.data() + done, static_cast<unsigned>(step));
      int code = Z_OK;
      const char* reason = gzerror(file_, &code);
      if (code != Z_OK && code != Z_STREAM_END)
        file_error(path_, "damaged: ", code == Z_ERRNO ? std::strerror(errno) : reason, ", after byte ", position_,
                   " of its contents");
      done += got;
      position_ += got;
      bytes.resize(static_cast<size_t>(done));
      if (got < step) break;
    }
    return bytes;
  }

  int64_t position() const { return position_; }

 private:
  fs::path path_;
  gzFile file_ = nullptr;
  int64_t position_ = 0;
};

// The next four bytes, big-endian.
int64_t read_size(GzipFile& file, const fs::path& path) {
  const std::vector<uint8_t> b = file.read(4);
  if (b.size() < 4) file_error(path, "the IDX header is cut short: the file ends at byte ", file.position());
  return int64_t{b[0]} << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

fs::path find(const fs::path& folder, const std::string& name) {
  for (const char* ending : {"", ".gz"})
    if (has_entry(folder / (name + ending))) return folder / (name + ending);
  file_error(folder / name, "no such file, nor ", name, ".gz");
}

DatasetPtr read_part(const fs::path& folder, const std::string& part) {
  const fs::path images_file = find(folder, part + "-images-idx3-ubyte");
  const fs::path labels_file = find(folder, part + "-labels-idx1-ubyte");
  const Tensor images = read_idx(images_file), labels = read_idx(labels_file);
  if (images.rank() != 3) file_error(images_file, "holds an array of ", images.rank(), " axes, needed are 3");
  if (labels.rank() != 1) file_error(labels_file, "holds an array of ", labels.rank(), " axes, needed is 1");
  if (labels.size(0) != images.size(0))
    file_error(labels_file, "holds ", labels.size(0), " labels for ", images.size(0), " images");
  constexpr int64_t kHeader = 8;  // bytes
  for (int64_t i = 0; i < labels.numel(); ++i)
    if (labels.data<uint8_t>()[i] > 9)
      file_error(labels_file, "label ", int{labels.data<uint8_t>()[i]}, " at byte ", kHeader + i,
                 " is not one of 0 to 9");
  return std::make_shared<TensorDataset>(images.unsqueeze(3), labels.to(DType::i64), kDigits);
}

}  // namespace

Tensor read_idx(const std::string& path) {
  GzipFile file(path);
  const int64_t magic = read_size(file, path), rank = magic & 0xFF;
  if (magic >> 8 != 8 || rank < 1 || rank > Shape::kMaxRank) {
    std::ostringstream hex;
    hex << std::hex << magic;
    file_error(path, "the magic number at byte 0 is 0x", hex.str(),
               ", not 0x801 to 0x808: no IDX file of unsigned bytes");
  }
  Shape shape;
  int64_t elements = 1;
  constexpr int64_t kMost = int64_t{1} << 40;  // elements: far above any file, far below what overflows
  for (int64_t axis = 0; axis < rank; ++axis) {
    shape.push_back(read_size(file, path));
    if (shape[axis] > kMost / std::max<int64_t>(1, elements))
      file_error(path, "the size at byte ", 4 + 4 * axis, " is ", shape[axis], ": too many elements");
    elements *= shape[axis];
  }
  const std::vector<uint8_t> values = file.read(elements);
  if (static_cast<int64_t>(values.size()) < elements)
    file_error(path, "is cut short: the file ends at byte ", file.position(), ", an array ", shape, " needs ",
               elements - static_cast<int64_t>(values.size()), " more");
  if (!file.read(1).empty())
    file_error(path, "goes on after byte ", 4 + 4 * rank + elements, ", where its array ", shape, " ends");
  return Tensor::from(values, shape);
}

DatasetPtr mnist_test(const std::string& path) { return read_part(path, "t10k"); }

Splits mnist(const std::string& path, const HoldOut& hold_out) {
  Splits splits = split(read_part(path, "train"), hold_out);
  splits.test = mnist_test(path);
  return splits;
}

}  // namespace kindling::data
