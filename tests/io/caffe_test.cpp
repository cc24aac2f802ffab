#include <kindling/io/caffe.h>

#include <caffe.pb.h>

#include <algorithm>

#include <kindling/io/atomic_file.h>
#include <kindling/tensor/ops.h>

#include <kindling/tests/io/hostile_files.h>
#include <kindling/tests/support/shared_data.h>

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;

namespace {

std::string caffemodel_refusal(const std::string& bytes) { return refusal(bytes, read_caffemodel); }
std::string caffemodel_refusal(const caffe::NetParameter& net) { return caffemodel_refusal(net.SerializeAsString()); }

CaffeNet read(const caffe::NetParameter& net) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x", std::ios::binary) << net.SerializeAsString();
  return read_caffemodel(folder / "x");
}

void add_old_blob(caffe::V1LayerParameter& layer, const std::vector<int64_t>& shape, const std::vector<float>& data) {
  caffe::BlobProto& blob = *layer.add_blobs();
  blob.set_num(shape[0]);
  blob.set_channels(shape[1]);
  blob.set_height(shape[2]);
  blob.set_width(shape[3]);
  for (const float x : data) blob.add_data(x);
}

caffe::BlobProto& add_blob(caffe::LayerParameter& layer, const std::vector<int64_t>& shape,
                           const std::vector<float>& data) {
  caffe::BlobProto& blob = *layer.add_blobs();
  blob.mutable_shape();
  for (const int64_t size : shape) blob.mutable_shape()->add_dim(size);
  for (const float x : data) blob.add_data(x);
  return blob;
}

/// A network of one convolution, "conv1", with one blob.
caffe::NetParameter one_blob(const std::vector<int64_t>& shape, const std::vector<float>& data) {
  caffe::NetParameter net;
  caffe::LayerParameter& layer = *net.add_layer();
  layer.set_name("conv1");
  layer.set_type("Convolution");
  add_blob(layer, shape, data);
  return net;
}

std::vector<std::string> names_of(const TensorFile& file) {
  std::vector<std::string> names;
  for (const StoredTensor& tensor : file.tensors) names.push_back(tensor.name);
  return names;
}

/// A tag and a length, as protobuf writes them, for numbers below 16 and lengths below 128.
std::string piece(int number, const std::string& bytes) {
  return std::string{static_cast<char>(8 * number + 2), static_cast<char>(bytes.size())} + bytes;
}
/// A network of the layer that these bytes are.
std::string net_of(const std::string& layer) {
  return "\xA2\x06" + std::string{static_cast<char>(layer.size())} + layer;
}

double sum_of(const Tensor& x) { return sum(x.to(DType::f64)).item(); }

Tensor find(const TensorFile& file, const std::string& name) {
  const auto found = std::find_if(file.tensors.begin(), file.tensors.end(),
                                  [&](const StoredTensor& tensor) { return tensor.name == name; });
  INFO(name);
  REQUIRE(found != file.tensors.end());
  return found->value();
}

}  // namespace

TEST_CASE("what write_caffemodel writes is read bit for bit, and is the same each time") {
  const TemporaryFolder folder;
  const Tensor weight = Tensor::from<float>({1.5F, -0.0F, 1e-40F, NAN, INFINITY, -2.0F}, {1, 3, 2, 1});
  const CaffeNet net{"",
                     "a net",
                     {{"conv1", "Convolution", {weight, Tensor::from<float>({7.0F})}},
                      {"relu1", "ReLU", {}},
                      {"bn1", "BatchNorm", {Tensor::from<double>({1.0 / 3.0}, {}), weight.permute({3, 2, 1, 0})}}}};
  write_caffemodel(folder / "a", net);
  write_caffemodel(folder / "b", net);
  CHECK(read_file(folder / "a") == read_file(folder / "b"));
  CHECK(folder.listing() == "a b");

  const CaffeNet back = read_caffemodel(folder / "a");
  CHECK(back.path == folder / "a");
  CHECK(back.name == "a net");
  REQUIRE(back.layers.size() == 2);  // the others have weights
  CHECK(back.layers[0].name == "conv1");
  CHECK(back.layers[1].type == "BatchNorm");
  REQUIRE(back.layers[0].blobs.size() == 2);
  CHECK(bitwise_equal(back.layers[0].blobs[0], weight));
  CHECK(bitwise_equal(back.layers[0].blobs[1], net.layers[0].blobs[1]));
  CHECK(bitwise_equal(back.layers[1].blobs[0], net.layers[2].blobs[0]));
  CHECK(bitwise_equal(back.layers[1].blobs[1], net.layers[2].blobs[1].contiguous()));
}

TEST_CASE("what protobuf cannot hold is not written as a .caffemodel") {
  const TemporaryFolder folder;
  const auto text = [&](const std::vector<CaffeLayer>& layers) {
    try {
      write_caffemodel(folder / "x", {"", "", layers});
      return std::string();
    } catch (const FileError& error) {
      return std::string(error.what()).substr((folder / "x: ").size());
    }
  };
  const Tensor one = Tensor::ones({1});
  CHECK(text({{"a", "Scale", {one}}, {"a", "Scale", {one}}}) == "two layers are named \"a\"");
  CHECK(text({{"a", "Scale", {Tensor::empty({0, 3})}}}) == "layer \"a\": a blob must be f32 or f64 and have elements");
  CHECK(text({{"a", "Scale", {Tensor::arange(3)}}}) == "layer \"a\": a blob must be f32 or f64 and have elements");
  CHECK(folder.listing().empty());
}

TEST_CASE("old layers have types by number and four axes") {
  caffe::NetParameter net;
  caffe::V1LayerParameter& conv = *net.add_layers();
  conv.set_name("conv1");
  conv.set_type(4);
  add_old_blob(conv, {2, 1, 1, 2}, {1, 2, 3, 4});
  add_old_blob(conv, {1, 1, 1, 2}, {5, 6});
  caffe::V1LayerParameter& fc = *net.add_layers();
  fc.set_name("fc");
  fc.set_type(14);
  add_old_blob(fc, {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6});
  add_old_blob(fc, {1, 1, 1, 2}, {7, 8});
  caffe::V1LayerParameter& one = *net.add_layers();
  one.set_name("deconv");
  one.set_type(39);
  add_old_blob(one, {1, 1, 1, 1}, {1});  // a convolution's weight keeps all axes
  caffe::V1LayerParameter& other = *net.add_layers();
  other.set_name("other");
  other.set_type(50);
  add_old_blob(other, {1, 1, 1, 1}, {1});

  const CaffeNet back = read(net);
  REQUIRE(back.layers.size() == 4);
  CHECK(back.layers[0].type == "Convolution");
  CHECK(bitwise_equal(back.layers[0].blobs[0], Tensor::from<float>({1, 2, 3, 4}, {2, 1, 1, 2})));
  CHECK(bitwise_equal(back.layers[0].blobs[1], Tensor::from<float>({5, 6}, {2})));
  CHECK(back.layers[1].type == "InnerProduct");
  CHECK(bitwise_equal(back.layers[1].blobs[0], Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3})));
  CHECK(bitwise_equal(back.layers[1].blobs[1], Tensor::from<float>({7, 8}, {2})));
  CHECK(back.layers[2].type == "Deconvolution");
  CHECK(back.layers[2].blobs[0].shape() == Shape{1, 1, 1, 1});
  CHECK(back.layers[3].type == "50");
  CHECK(back.layers[3].blobs[0].shape() == Shape{1, 1, 1, 1});
}

TEST_CASE("blobs have names by the layer's type") {
  const Tensor x = Tensor::ones({1});
  const TensorFile file = to_tensor_file({"p",
                                          "n",
                                          {{"c", "Convolution", {x, x}},
                                           {"d", "Deconvolution", {x}},
                                           {"f", "InnerProduct", {x, x}},
                                           {"b", "BatchNorm", {x, x, x.to(DType::f64)}},
                                           {"s", "Scale", {x, x, x}},
                                           {"p", "PReLU", {x, x}}}});
  CHECK(names_of(file) == std::vector<std::string>{"c/weight", "c/bias", "d/weight", "f/weight", "f/bias", "b/mean",
                                                   "b/variance", "b/count", "s/weight", "s/bias", "s/2", "p/0", "p/1"});
  CHECK(file.path == "p");
  CHECK(file.metadata == Metadata{{"name", "n"}});
  CHECK(file.tensors[0].dtype == "F32");
  CHECK(file.tensors[7].dtype == "F64");
}

TEST_CASE("repeated numbers of a blob may come one by one and in parts, and a name behind them") {
  const std::string one("\0\0\x80\x3F", 4), two("\0\0\0\x40", 4);
  const std::string data = piece(5, one + two) + "\x2D" + one;  // two packed, then one alone (field 5, four bytes)
  const std::string shape = piece(7, "\x08\x01" + piece(1, "\x03"));
  const std::string bytes = net_of(piece(7, data + shape) + piece(2, "Scale") + piece(1, "a"));
  const TemporaryFolder folder;
  std::ofstream(folder / "x", std::ios::binary) << bytes;
  const CaffeNet net = read_caffemodel(folder / "x");
  CHECK(net.layers[0].name == "a");
  CHECK(bitwise_equal(net.layers[0].blobs[0], Tensor::from<float>({1, 2, 1}, {1, 3})));
}

TEST_CASE("a .caffemodel whose shapes and elements disagree is refused with its layer") {
  const std::string place = "byte 23: layer \"conv1\", blob 0: ";
  CHECK(caffemodel_refusal(one_blob({2, 3}, {1, 2, 3, 4, 5})) ==
        place + "its shape [2, 3] has 6 elements, the file has 5");
  CHECK(caffemodel_refusal(one_blob({2, -3}, {1})) == place + "its shape [2, -3] has a negative size");
  CHECK(caffemodel_refusal(one_blob({INT64_MAX, 3}, {1})) == place + "its shape [9223372036854775807, 3] is too large");
  // 2^32 * 2^32 is 0 in 64 bits.
  CHECK(caffemodel_refusal(one_blob({1LL << 32, 1LL << 32}, {})) ==
        place + "its shape [4294967296, 4294967296] is too large");
  CHECK(caffemodel_refusal(one_blob({2, 0}, {})) == place + "its shape [2, 0] has no elements");
  CHECK(caffemodel_refusal(one_blob({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})) == place + "its shape has more than 8 axes");
  caffe::NetParameter net = one_blob({1}, {1});
  net.mutable_layer(0)->mutable_blobs(0)->add_double_data(1);
  CHECK(caffemodel_refusal(net) == place + "it has 1 floats and 1 doubles, one must be 0");
  net.mutable_layer(0)->mutable_blobs(0)->clear_shape();
  net.mutable_layer(0)->mutable_blobs(0)->clear_data();
  CHECK(caffemodel_refusal(net) == place + "its shape [0, 0, 0, 0] has 0 elements, the file has 1");
  CHECK(caffemodel_refusal(net_of(piece(1, "a") + piece(7, piece(5, "123")))) ==
        "byte 6: layer \"a\", blob 0: its elements have 3 bytes, 4 each");
}

TEST_CASE("what is no .caffemodel is refused") {
  CHECK(caffemodel_refusal("") == "byte 0: no .caffemodel with weights: the file ends here, and no layer had any");
  CHECK(caffemodel_refusal("name: \"x\"") == "byte 0: no protobuf: a field has the number 13 and the kind 6");
  CHECK(caffemodel_refusal(std::string(8, '\0')) == "byte 0: no protobuf: a field has the number 0 and the kind 0");
  CHECK(caffemodel_refusal("\x08" + std::string(12, '\xFF')) == "byte 11: a number of more than 64 bits ends here");
  CHECK(caffemodel_refusal("\x08" + std::string(9, '\xFF') + "\x02") ==
        "byte 11: a number of more than 64 bits ends here");
  CHECK(caffemodel_refusal("\x12\x7F"
                           "abc") == "byte 5: the data end here, within a field of 127 bytes at byte 2");
  CHECK(caffemodel_refusal("\x10\x01") == "byte 0: a layer is of the kind 0, it should be of 2");

  caffe::NetParameter net = one_blob({1}, {1});
  *net.add_layer() = net.layer(0);
  CHECK_THAT(caffemodel_refusal(net), Contains("a second layer with weights is named \"conv1\""));
  net.mutable_layer(1)->clear_blobs();
  CHECK(caffemodel_refusal(net).empty());
  net.mutable_layer(0)->clear_name();
  CHECK(caffemodel_refusal(net) == "byte 0: a layer with weights has no name");
  net.mutable_layer(0)->set_name(std::string(513, 'a'));
  CHECK(caffemodel_refusal(net) == "byte 7: a layer's name has 513 bytes, more than 512");
  net.add_layers()->set_layer("x");
  net.mutable_layer()->Clear();
  CHECK_THAT(caffemodel_refusal(net), Contains("in the form of 2013"));
}

TEST_CASE("more tiny blobs than any network has are refused, as each takes much more memory than its bytes") {
  caffe::NetParameter net = one_blob({}, {1});
  for (int i = 1; i < (1 << 15); ++i) add_blob(*net.mutable_layer(0), {}, {1});
  CHECK(caffemodel_refusal(net).empty());
  add_blob(*net.mutable_layer(0), {}, {1});
  CHECK_THAT(caffemodel_refusal(net), Contains("more than 32768 blobs"));
}

TEST_CASE("a .caffemodel cut anywhere is refused, or has fewer layers") {
  caffe::NetParameter net = one_blob({2, 1}, {1, 2});
  net.set_name("n");
  caffe::LayerParameter& bn = *net.add_layer();
  bn.set_name("bn1");
  bn.add_blobs()->add_double_data(3);
  bn.mutable_blobs(0)->mutable_shape()->add_dim(1);
  net.add_layers()->set_name("old");
  net.mutable_layers(0)->set_type(14);
  add_old_blob(*net.mutable_layers(0), {1, 1, 1, 2}, {1, 2});
  const std::string bytes = net.SerializeAsString();

  std::vector<size_t> accepted;
  for_each_truncation(bytes, read_caffemodel, [&](size_t n, const std::string& text) {
    if (text.empty()) {
      accepted.push_back(n);
    } else {
      CHECK_THAT(text, Contains("byte "));
    }
  });
  // After the name (field 1, 3 bytes) stand the old layer (field 2), then the new ones (field 100).
  const size_t old_end = 3 + 2 + net.layers(0).ByteSizeLong();
  CHECK(accepted == std::vector<size_t>{old_end, old_end + 3 + net.layer(0).ByteSizeLong()});
  CHECK(refused_after_change(bytes, read_caffemodel) > bytes.size());
}

TEST_CASE("the layers of a .caffemodel are ordered and checked by a definition") {
  const Tensor x = Tensor::ones({1});
  const CaffeNet net{"net", "n", {{"a", "Scale", {x}}, {"b", "Convolution", {x}}, {"c", "Convolution", {x}}}};
  const CaffeNet arranged =
      arranged_as({"def", "", {{"b", "Convolution", {}}, {"relu", "ReLU", {}}, {"a", "Scale", {}}}}, net);
  REQUIRE(arranged.layers.size() == 2);
  CHECK(arranged.path == "net");
  CHECK(arranged.name == "n");
  CHECK(arranged.layers[0].name == "b");
  CHECK(arranged.layers[0].blobs.size() == 1);
  CHECK(arranged.layers[1].name == "a");
  const CaffeNet other{
      "def",
      "",
      {{"a", "BatchNorm", {}}, {"d", "InnerProduct", {}}, {"c", "Convolution", {}}, {"c", "Convolution", {}}}};
  CHECK_THROWS_MATCHES(arranged_as(other, net), FileError,
                       Catch::Message("net: does not fit def:\n  a is of type Scale, in the definition BatchNorm\n"
                                      "  d is missing\n  c is the name of two layers of the definition"));
}

TEST_CASE("SqueezeNet v1.1 is read from a .caffemodel") {
  const auto path = shared_data("squeezenet_v1_1_imagenet/squeezenet_v1.1.caffemodel");
  if (!path) return;
  const TensorFile file = to_tensor_file(read_caffemodel(path->string()));
  CHECK(file.metadata == Metadata{{"name", "SqueezeNet v1.1"}});
  REQUIRE(file.tensors.size() == 52);
  int64_t parameters = 0;
  for (const StoredTensor& tensor : file.tensors) parameters += tensor.shape.numel();
  CHECK(parameters == 1'235'496);
  CHECK(file.tensors[0].name == "conv1/weight");
  CHECK(file.tensors[0].shape == Shape{64, 3, 3, 3});
  CHECK(file.tensors[0].value().at<float>({0, 0, 0, 0}) == 0.257080078125F);
  CHECK(find(file, "fire9/expand3x3/bias").shape() == Shape{256});
  CHECK(find(file, "conv10/weight").shape() == Shape{1000, 512, 1, 1});
  // Sums by Python's protobuf and math.fsum.
  CHECK_THAT(sum_of(find(file, "fire5/expand3x3/weight")), Catch::WithinRel(-173.9583901166916, 1e-12));
  CHECK_THAT(sum_of(find(file, "conv10/bias")), Catch::WithinRel(10.936995808340725, 1e-12));
}

TEST_CASE("the traffic lights' .caffemodel, which Caffe has written, fits its definition") {
  const auto folder = shared_data("traffic_lights_caffe");
  if (!folder) return;
  const CaffeNet net =
      read_caffemodel(*folder / "train_squeezenet_mirror_rot_trainval_manual_p2__iter_1000.caffemodel");
  REQUIRE(net.layers.size() == 26);
  CHECK(net.layers[0].name == "conv1");
  CHECK(net.layers[0].blobs[0].shape() == Shape{96, 3, 7, 7});
  CHECK(net.layers[25].name == "conv10_nexar");
  CHECK(net.layers[25].blobs[0].shape() == Shape{3, 512, 1, 1});
  CHECK(net.layers[25].blobs[1].shape() == Shape{3});
  const CaffeNet arranged = arranged_as(read_prototxt(*folder / "deploy.prototxt"), net);
  REQUIRE(arranged.layers.size() == 26);
  CHECK(arranged.layers[25].name == "conv10_nexar");
  CHECK_THAT(sum_of(net.layers[25].blobs[0]), Catch::WithinRel(57.869911073325056, 1e-12));  // by Python, as above
  CHECK_THAT(sum_of(net.layers[0].blobs[1]), Catch::WithinRel(0.04953629442388774, 1e-12));
}
