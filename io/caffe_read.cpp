// Reading .caffemodel files, which may come from anywhere.
#include <caffe.pb.h>

#include <bit>
#include <cstring>
#include <optional>
#include <unordered_set>

#include <kindling/io/atomic_file.h>
#include <kindling/io/caffe.h>
#include <kindling/io/caffe_types.h>
#include <kindling/io/protobuf_reader.h>

namespace kindling {
namespace {

static_assert(std::endian::native == std::endian::little, "blobs are stored as they are in memory: little-endian");

using Kind = ProtobufField::Kind;

// A network has hundreds of blobs. More than this, of a few bytes each, would take far more memory than the file.
constexpr size_t kMaxBlobs = 1 << 15;
constexpr size_t kMaxNameBytes = 512;

/// Where a layer's fields are in the old and in the new form.
struct Form {
  uint64_t name, type, blobs;
};
using OldLayer = caffe::V1LayerParameter;
using NewLayer = caffe::LayerParameter;
constexpr Form kOldForm{OldLayer::kNameFieldNumber, OldLayer::kTypeFieldNumber, OldLayer::kBlobsFieldNumber};
constexpr Form kNewForm{NewLayer::kNameFieldNumber, NewLayer::kTypeFieldNumber, NewLayer::kBlobsFieldNumber};

/// One blob of a layer whose name and type are known.
class BlobReader {
 public:
  BlobReader(const std::string& path, const CaffeLayer& layer, const ProtobufField& field)
      : path_(path), layer_(layer), field_(field) {}

  Tensor read() {
    for_each_field(path_, field_.bytes, field_.offset, [&](const ProtobufField& field) { look_at(field); });
    if (floats_ > 0 && doubles_ > 0) fail("it has ", floats_, " floats and ", doubles_, " doubles, one must be 0");
    const Shape shape = checked_shape();
    Tensor result = Tensor::empty(shape, doubles_ > 0 ? DType::f64 : DType::f32);
    if (doubles_ > 0) {
      copy(caffe::BlobProto::kDoubleDataFieldNumber, result.data<double>());
    } else {
      copy(caffe::BlobProto::kDataFieldNumber, result.data<float>());
    }
    return result.reshape(without_padding(shape));
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    refuse(path_, field_.tag_offset, "layer \"", layer_.name, "\", blob ", layer_.blobs.size(), ": ", parts...);
  }

  void look_at(const ProtobufField& field) {
    using Blob = caffe::BlobProto;
    switch (field.number) {
      case Blob::kNumFieldNumber:
      case Blob::kChannelsFieldNumber:
      case Blob::kHeightFieldNumber:
      case Blob::kWidthFieldNumber:
        check_kind(path_, field, Kind::varint, "a size");
        old_shape_[static_cast<int64_t>(field.number) - Blob::kNumFieldNumber] = static_cast<int64_t>(field.value);
        break;
      case Blob::kShapeFieldNumber:
        check_kind(path_, field, Kind::length, "a shape");
        if (!shape_) shape_.emplace();
        for_each_field(path_, field.bytes, field.offset, [&](const ProtobufField& dim) { add_sizes(dim); });
        break;
      case Blob::kDataFieldNumber:
        floats_ += elements(field, Kind::four_bytes, sizeof(float));
        break;
      case Blob::kDoubleDataFieldNumber:
        doubles_ += elements(field, Kind::eight_bytes, sizeof(double));
        break;
      default:
        break;  // diff: the gradient of the last step of training
    }
  }

  /// Repeated numbers may stand in one field, or each in a field of its own.
  void add_sizes(const ProtobufField& field) {
    if (field.number != caffe::BlobShape::kDimFieldNumber) return;
    if (field.kind == Kind::varint) return add_size(field.value);
    check_kind(path_, field, Kind::length, "the sizes of a shape");
    ByteReader sizes(path_, field.bytes, field.offset);
    while (!sizes.at_end()) add_size(read_varint(sizes));
  }

  void add_size(uint64_t size) {
    if (shape_->rank() == Shape::kMaxRank) fail("its shape has more than ", Shape::kMaxRank, " axes");
    shape_->push_back(static_cast<int64_t>(size));
  }

  size_t elements(const ProtobufField& field, Kind single, size_t size) const {
    if (field.kind == single) return 1;
    check_kind(path_, field, Kind::length, "the elements of a blob");
    if (field.bytes.size() % size != 0) fail("its elements have ", field.bytes.size(), " bytes, ", size, " each");
    return field.bytes.size() / size;
  }

  Shape checked_shape() const {
    const Shape shape = shape_.value_or(old_shape_);
    uint64_t count = 1;
    for (const int64_t size : shape) {
      if (size < 0) fail("its shape ", shape, " has a negative size");
      if (__builtin_mul_overflow(count, static_cast<uint64_t>(size), &count))
        fail("its shape ", shape, " is too large");
    }
    const size_t found = floats_ + doubles_;
    if (count != found) fail("its shape ", shape, " has ", count, " elements, the file has ", found);
    if (count == 0) fail("its shape ", shape, " has no elements");
    return shape;
  }

  template <class T>
  void copy(uint64_t number, T* to) const {
    for_each_field(path_, field_.bytes, field_.offset, [&](const ProtobufField& field) {
      if (field.number != number || field.bytes.empty()) return;
      std::memcpy(to, field.bytes.data(), field.bytes.size());
      to += field.bytes.size() / sizeof(T);
    });
  }

  /// The four axes of old files without those that only fill up.
  Shape without_padding(const Shape& shape) const {
    const bool is_product = layer_.type == "InnerProduct", is_bias = !layer_.blobs.empty();
    const bool is_old = is_product || layer_.type == "Convolution" || layer_.type == "Deconvolution";
    if (!is_old || shape.rank() != 4 || shape[0] != 1 || shape[1] != 1) return shape;
    if (is_bias) return shape[2] == 1 ? Shape{shape[3]} : shape;
    return is_product ? Shape{shape[2], shape[3]} : shape;
  }

  const std::string& path_;
  const CaffeLayer& layer_;
  const ProtobufField& field_;
  Shape old_shape_{0, 0, 0, 0};
  std::optional<Shape> shape_;
  size_t floats_ = 0, doubles_ = 0;
};

class NetReader {
 public:
  explicit NetReader(const std::string& path) : net_{path, "", {}} {}

  CaffeNet read(std::string_view bytes) {
    for_each_field(net_.path, bytes, 0, [&](const ProtobufField& field) {
      switch (field.number) {
        case caffe::NetParameter::kNameFieldNumber:
          net_.name = text(field, "the network's name");
          break;
        case caffe::NetParameter::kLayersFieldNumber:
          read_layer(field, kOldForm);
          break;
        case caffe::NetParameter::kLayerFieldNumber:
          read_layer(field, kNewForm);
          break;
        default:
          break;
      }
    });
    if (net_.layers.empty())
      refuse(net_.path, static_cast<int64_t>(bytes.size()),
             "no .caffemodel with weights: the file ends here, and no "
             "layer had any");
    return std::move(net_);
  }

 private:
  std::string text(const ProtobufField& field, const char* what) const {
    check_kind(net_.path, field, Kind::length, what);
    if (field.bytes.size() > kMaxNameBytes)
      refuse(net_.path, field.offset, what, " has ", field.bytes.size(), " bytes, more than ", kMaxNameBytes);
    return std::string(field.bytes);
  }

  std::string type(const ProtobufField& field, const Form& form) const {
    if (&form == &kNewForm) return text(field, "a layer's type");
    check_kind(net_.path, field, Kind::varint, "a layer's type");
    return caffe::type_of_number(field.value);
  }

  void read_layer(const ProtobufField& message, const Form& form) {
    check_kind(net_.path, message, Kind::length, "a layer");
    CaffeLayer layer;
    std::vector<ProtobufField> blobs;  // read when name and type are known, which may stand behind them
    for_each_field(net_.path, message.bytes, message.offset, [&](const ProtobufField& field) {
      if (field.number == form.name) {
        layer.name = text(field, "a layer's name");
      } else if (field.number == form.type) {
        layer.type = type(field, form);
      } else if (field.number == form.blobs) {
        check_kind(net_.path, field, Kind::length, "a blob");
        if (++blobs_ > kMaxBlobs) refuse(net_.path, field.tag_offset, "more than ", kMaxBlobs, " blobs");
        blobs.push_back(field);
      } else if (&form == &kOldForm && field.number == OldLayer::kLayerFieldNumber) {
        refuse(net_.path, field.tag_offset,
               "a layer in the form of 2013, which only Caffe's upgrade_net_proto_binary "
               "still reads");
      }
    });
    if (blobs.empty()) return;
    if (layer.name.empty()) refuse(net_.path, message.tag_offset, "a layer with weights has no name");
    if (!names_.insert(layer.name).second)
      refuse(net_.path, message.tag_offset, "a second layer with weights is named \"", layer.name, "\"");
    for (const ProtobufField& blob : blobs) layer.blobs.push_back(BlobReader(net_.path, layer, blob).read());
    net_.layers.push_back(std::move(layer));
  }

  CaffeNet net_;
  std::unordered_set<std::string> names_;
  size_t blobs_ = 0;
};

}  // namespace

CaffeNet read_caffemodel(const std::string& path) { return NetReader(path).read(read_file(path)); }

}  // namespace kindling
