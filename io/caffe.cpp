#include <kindling/io/caffe.h>

#include <caffe.pb.h>

#include <climits>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include <kindling/io/atomic_file.h>
#include <kindling/io/elements.h>

namespace kindling {
namespace {

/// What the blobs of a layer are, by its type.
const std::map<std::string, std::vector<std::string>>& blob_names() {
  static const std::map<std::string, std::vector<std::string>> names{
      {"BatchNorm", {"mean", "variance", "count"}}, {"Convolution", {"weight", "bias"}},
      {"Deconvolution", {"weight", "bias"}},        {"Embed", {"weight", "bias"}},
      {"InnerProduct", {"weight", "bias"}},         {"Scale", {"weight", "bias"}},
  };
  return names;
}

void fill(caffe::BlobProto& blob, const Tensor& value) {
  for (const int64_t size : value.shape()) blob.mutable_shape()->add_dim(size);
  if (value.rank() == 0) blob.mutable_shape();
  const Tensor elements = value.contiguous();
  const int64_t n = elements.numel();
  if (elements.dtype() == DType::f64) {
    blob.mutable_double_data()->Add(elements.data<double>(), elements.data<double>() + n);
  } else {
    blob.mutable_data()->Add(elements.data<float>(), elements.data<float>() + n);
  }
}

}  // namespace

TensorFile to_tensor_file(const CaffeNet& net) {
  TensorFile file{net.path, {}, {}};
  if (!net.name.empty()) file.metadata["name"] = net.name;
  for (const CaffeLayer& layer : net.layers) {
    const auto found = blob_names().find(layer.type);
    for (size_t i = 0; i < layer.blobs.size(); ++i) {
      const bool is_known = found != blob_names().end() && i < found->second.size();
      const std::string name = layer.name + '/' + (is_known ? found->second[i] : std::to_string(i));
      file.tensors.push_back({name, file_dtype(layer.blobs[i].dtype()), layer.blobs[i]});
    }
  }
  return file;
}

void write_caffemodel(const std::string& path, const CaffeNet& net) {
  caffe::NetParameter message;
  if (!net.name.empty()) message.set_name(net.name);
  std::unordered_set<std::string_view> names;
  for (const CaffeLayer& layer : net.layers) {
    if (!names.insert(layer.name).second) throw FileError(path + ": two layers are named \"" + layer.name + "\"");
    caffe::LayerParameter& to = *message.add_layer();
    to.set_name(layer.name);
    to.set_type(layer.type);
    for (const Tensor& blob : layer.blobs) {
      if ((blob.dtype() != DType::f32 && blob.dtype() != DType::f64) || blob.numel() == 0)
        throw FileError(path + ": layer \"" + layer.name + "\": a blob must be f32 or f64 and have elements");
      fill(*to.add_blobs(), blob);
    }
  }
  if (message.ByteSizeLong() > INT_MAX)
    throw FileError(path + ": protobuf has at most " + std::to_string(INT_MAX) + " bytes, these weights would take " +
                    std::to_string(message.ByteSizeLong()));
  write_file(path, message.SerializeAsString());
}

CaffeNet arranged_as(const CaffeNet& definition, const CaffeNet& net) {
  std::unordered_map<std::string_view, const CaffeLayer*> layers;
  for (const CaffeLayer& layer : net.layers) layers.emplace(layer.name, &layer);
  CaffeNet result{net.path, net.name, {}};
  std::string faults;
  for (const CaffeLayer& wanted : definition.layers) {
    const auto found = layers.find(wanted.name);
    if (found == layers.end()) {
      if (blob_names().contains(wanted.type)) faults += "\n  " + wanted.name + " is missing";
    } else if (found->second == nullptr) {
      faults += "\n  " + wanted.name + " is the name of two layers of the definition";
    } else if (found->second->type != wanted.type) {
      faults += "\n  " + wanted.name + " is of type " + found->second->type + ", in the definition " + wanted.type;
    } else {
      result.layers.push_back(*found->second);
      found->second = nullptr;
    }
  }
  if (!faults.empty()) throw FileError(net.path + ": does not fit " + definition.path + ":" + faults);
  return result;
}

}  // namespace kindling
