#include <kindling/io/pytorch_state.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include <kindling/io/elements.h>
#include <kindling/io/texts.h>

namespace kindling::pytorch {
namespace {

using pickle::Kind;
using pickle::Value;

constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", "F32"},     {"torch.DoubleStorage", "F64"}, {"torch.HalfStorage", "F16"},
    {"torch.BFloat16Storage", "BF16"}, {"torch.LongStorage", "I64"},   {"torch.IntStorage", "I32"},
    {"torch.ShortStorage", "I16"},     {"torch.CharStorage", "I8"},    {"torch.ByteStorage", "U8"},
    {"torch.BoolStorage", "BOOL"},
};

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor";  // before 0.4
constexpr std::string_view kRebuildTensor2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kRebuildParameterWithState = "torch._utils._rebuild_parameter_with_state";
constexpr std::string_view kSize = "torch.Size";

// PyTorch's own weights_only reader has the same list, and functions for kinds of tensors that we lack. The names of
// the last three lines occur in checkpoints beside the weights, and are passed over.
constexpr std::string_view kAllowed[] = {
    "collections.OrderedDict",
    kRebuildTensor,
    kRebuildTensor2,
    kRebuildParameter,
    kRebuildParameterWithState,
    kSize,
    "torch.FloatStorage",
    "torch.DoubleStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
    "torch.float32",
    "torch.float64",
    "torch.float16",
    "torch.bfloat16",
    "torch.int64",
    "torch.int32",
    "torch.int16",
    "torch.int8",
    "torch.uint8",
    "torch.bool",
    "torch.device",
    "collections.Counter",
    "_codecs.encode",
    "builtins.set",
    "builtins.bytearray",
    "builtins.complex",
    "__builtin__.set",
};

// The entries of a checkpoint that may be the state_dict.
constexpr std::string_view kWrappers[] = {"state_dict", "model_state_dict", "model"};

constexpr int kMaxDepth = 64;  // of dicts in dicts

bool calls(const Value& value, std::string_view function) {
  return value.kind == Kind::call && value.items[0]->text == function;
}

bool calls_rebuild_parameter(const Value& value) {
  return calls(value, kRebuildParameter) || calls(value, kRebuildParameterWithState);
}

bool makes_tensor(const Value& value) {
  return calls(value, kRebuildTensor) || calls(value, kRebuildTensor2) || calls_rebuild_parameter(value);
}

bool is_container(const Value& value) {
  return value.kind == Kind::dict || value.kind == Kind::list || value.kind == Kind::tuple;
}

std::string key_text(const std::string& path, const Value& key) {
  if (key.kind == Kind::integer) return std::to_string(key.integer);
  if (key.kind != Kind::text) refuse(path, key.place, "a key of a dict is neither text nor integer");
  return std::string(key.text);
}

/// The arguments of a call.
const std::vector<const Value*>& arguments(const Value& call) { return call.items[1]->items; }

bool is_integer(const Value* value, int64_t low) { return value->kind == Kind::integer && value->integer >= low; }

/// The numbers of a tuple or torch.Size.
Shape sizes(const std::string& path, const Value& value, const char* what) {
  const Value* tuple = calls(value, kSize) && !arguments(value).empty() ? arguments(value)[0] : &value;
  const auto is_size = [](const Value* item) { return is_integer(item, 0); };
  if (tuple->kind != Kind::tuple || !std::all_of(tuple->items.begin(), tuple->items.end(), is_size))
    refuse(path, value.place, "the ", what, " of a tensor are not whole numbers from 0 up");
  if (std::ssize(tuple->items) > Shape::kMaxRank)
    refuse(path, value.place, "rank ", tuple->items.size(), " is above the largest, ", Shape::kMaxRank);
  Shape shape;
  for (const Value* item : tuple->items) shape.push_back(item->integer);
  return shape;
}

/// Throws FileError unless all elements of the view lie in the storage of `numel` elements.
void check_view(const std::string& path, const Value& value, int64_t numel, int64_t offset, const Shape& shape,
                const Strides& strides) {
  int64_t count = 1, last = offset;
  bool overflow = strides.rank() != shape.rank();
  for (int64_t axis = 0; axis < shape.rank() && !overflow; ++axis) {
    int64_t step = 0;
    overflow = __builtin_mul_overflow(count, std::max<int64_t>(shape[axis], 1), &count) ||
               __builtin_mul_overflow(std::max<int64_t>(shape[axis] - 1, 0), strides[axis], &step) ||
               __builtin_add_overflow(last, step, &last);
  }
  const bool is_empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (overflow || (!is_empty && last >= numel))
    refuse(path, value.place, "a tensor of shape ", shape, ", strides ", strides, " and offset ", offset,
           " does not fit its storage of ", numel, " elements");
}

/// A text, number or boolean as text; nothing for another value.
std::optional<std::string> note(const Value& value) {
  if (value.kind == Kind::text && is_utf8(value.text)) return std::string(value.text);
  if (value.kind == Kind::integer) return std::to_string(value.integer);
  if (value.kind == Kind::boolean) return value.integer != 0 ? "true" : "false";
  if (value.kind != Kind::real) return std::nullopt;
  char digits[32];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value.real).ptr);
}

/// The state_dict in a checkpoint; else the whole.
const Value& state_dict(const Value& root) {
  if (root.kind != Kind::dict) return root;
  for (const std::string_view wrapper : kWrappers)
    for (size_t i = 0; i < root.items.size(); i += 2)
      if (root.items[i]->kind == Kind::text && root.items[i]->text == wrapper && root.items[i + 1]->kind == Kind::dict)
        return *root.items[i + 1];
  return root;
}

}  // namespace

std::span<const std::string_view> allowed_globals() { return kAllowed; }
std::span<const StorageType> storage_types() { return kStorageTypes; }

// ("storage", a type, the key, the device, the number of elements), in the legacy form also what is None
// unless the storage is a part of another.
StorageId storage_id(const std::string& path, const Value& persistent) {
  const std::vector<const Value*>& id = persistent.items[0]->items;
  const bool is_storage = (id.size() == 5 || (id.size() == 6 && id[5]->kind == Kind::none)) &&
                          id[0]->text == "storage" && id[1]->kind == Kind::global && id[2]->kind == Kind::text &&
                          is_integer(id[4], 0);
  if (!is_storage) refuse(path, persistent.place, "a persistent object that is no storage");
  const auto type = std::find_if(std::begin(kStorageTypes), std::end(kStorageTypes),
                                 [&](const StorageType& t) { return t.global == id[1]->text; });
  if (type == std::end(kStorageTypes)) refuse(path, persistent.place, "a storage of type ", id[1]->text);
  return {type->dtype, id[2]->text, id[4]->integer, persistent.place};
}

// Beside the storages, only names and copies of tensors that are not contiguous take memory. In honest files these are
// small; in others, a few bytes can ask for any amount.
StateReader::StateReader(std::string path, int64_t file_bytes, LoadStorage load)
    : result_{std::move(path), {}, {}}, load_(std::move(load)), allowance_(2 * file_bytes + (int64_t{64} << 20)) {}

void StateReader::spend(int64_t bytes, int64_t place) {
  if (bytes > allowance_) refuse(result_.path, place, "the tensors would take far more memory than the file has bytes");
  allowance_ -= bytes;
}

const Tensor& StateReader::storage(const StorageId& id) {
  auto& [first, elements] = storages_[id.key];
  if (!elements.defined()) elements = load_(first = id);
  if (first.numel != id.numel || first.dtype != id.dtype)
    refuse(result_.path, id.place, "storage ", id.key, " has another type or size than at byte ", first.place);
  return elements;
}

// _rebuild_tensor_v2(storage, offset, shape, strides, ...), _rebuild_parameter(tensor, ...)
StoredTensor StateReader::tensor(const Value& call, const std::string& name) {
  const bool is_parameter = calls_rebuild_parameter(call) && !arguments(call).empty();
  const Value& rebuild = is_parameter ? *arguments(call)[0] : call;
  if (!calls(rebuild, kRebuildTensor) && !calls(rebuild, kRebuildTensor2))
    refuse(result_.path, call.place, "a parameter that is made of no tensor");
  const auto& given = arguments(rebuild);
  if (given.size() < 4 || given[0]->kind != Kind::persistent || !is_integer(given[1], 0))
    refuse(result_.path, rebuild.place, "a tensor is not made of storage, offset, shape and strides");
  const StorageId id = storage_id(result_.path, *given[0]);
  const int64_t offset = given[1]->integer;
  const Shape shape = sizes(result_.path, *given[2], "sizes");
  const Strides strides = sizes(result_.path, *given[3], "strides");
  check_view(result_.path, rebuild, id.numel, offset, shape, strides);

  const std::string dtype(id.dtype);
  if (shape.numel() == 0) return {name, dtype, Tensor::empty(shape, memory_dtype(dtype))};
  Tensor view = storage(id).with_layout(shape, strides, offset);
  if (view.is_contiguous()) return {name, dtype, view.with_layout(shape, contiguous_strides(shape), offset)};
  int64_t bytes = 0;
  if (__builtin_mul_overflow(shape.numel(), size_of(view.dtype()), &bytes)) bytes = INT64_MAX;
  spend(bytes, rebuild.place);
  return {name, dtype, view.contiguous()};
}

void StateReader::collect(const Value& value, const std::string& name, int depth) {
  if (makes_tensor(value)) {
    spend(static_cast<int64_t>(2 * (sizeof(StoredTensor) + sizeof(Tensor) + name.size())), value.place);
    if (!is_utf8(name)) refuse(result_.path, value.place, "the name of a tensor is not UTF-8");
    if (!names_.insert(name).second) refuse(result_.path, value.place, "two tensors are named \"", name, "\"");
    result_.tensors.push_back(tensor(value, name));
  } else if (is_container(value)) {
    if (depth == kMaxDepth) refuse(result_.path, value.place, "dicts nest more than ", kMaxDepth, " deep");
    if (!is_new(value)) return;
    const size_t before = result_.tensors.size();
    seen_[&value] = true;  // until it is known
    collect_items(value, name, depth);
    seen_[&value] = result_.tensors.size() > before;
  }
}

/// A container without tensors may stand in many places. With them it would take time without end.
bool StateReader::is_new(const Value& container) const {
  const auto found = seen_.find(&container);
  if (found != seen_.end() && found->second)
    refuse(result_.path, container.place, "a dict or list with tensors stands in two places");
  return found == seen_.end();
}

void StateReader::collect_items(const Value& container, const std::string& name, int depth) {
  const std::string prefix = name.empty() ? "" : name + '.';
  const size_t step = container.kind == Kind::dict ? 2 : 1;
  for (size_t i = 0; i < container.items.size(); i += step) {
    const Value& item = *container.items[i + step - 1];
    if (!makes_tensor(item) && !is_container(item)) continue;
    const std::string key = step == 1 ? std::to_string(i) : key_text(result_.path, *container.items[i]);
    spend(static_cast<int64_t>(prefix.size() + key.size()), item.place);
    collect(item, prefix + key, depth + 1);
  }
}

void StateReader::collect_notes(const Value& dict) {
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const Value &key = *dict.items[i], &value = *dict.items[i + 1];
    if (key.kind != Kind::text || !is_utf8(key.text)) continue;
    spend(static_cast<int64_t>(key.text.size() + value.text.size()), key.place);
    if (const auto text = note(value)) result_.metadata[std::string(key.text)] = *text;
  }
}

TensorFile StateReader::read(const Value& root) {
  if (root.kind == Kind::dict) collect_notes(root);
  collect(state_dict(root), "", 0);
  return std::move(result_);
}

}  // namespace kindling::pytorch
