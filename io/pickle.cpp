// https://github.com/python/cpython/blob/main/Lib/pickletools.py describes every operation.
#include <kindling/io/pickle.h>

#include <unordered_map>

namespace kindling::pickle {
namespace {

constexpr std::string_view kOrderedDict = "collections.OrderedDict";

/// For messages: not more of a text than one wants to see.
std::string shortened(std::string_view text) {
  constexpr size_t kMost = 80;
  return std::string(text.substr(0, kMost)) + (text.size() > kMost ? "..." : "");
}

class Machine {
 public:
  Machine(ByteReader& in, std::span<const std::string_view> allowed) : in_(in), allowed_(allowed) {}

  Pickle run();

 private:
  // Each carries out `operation` if it is of its kind, and returns whether it was.
  bool constant(uint8_t operation);
  bool text(uint8_t operation);
  bool container(uint8_t operation);
  bool stack_or_memo(uint8_t operation);
  bool object(uint8_t operation);

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    refuse(in_.path(), place_, parts...);
  }
  template <class T>
  T number(std::endian order = std::endian::little) {
    return in_.number<T>("a pickle", order);
  }

  // Copies of pointers count as operations, so that these bound all work.
  void count(size_t operations) {
    operations_ += static_cast<int64_t>(operations);
    if (operations_ > kMaxOperations) fail("a pickle of more than ", kMaxOperations, " operations");
  }

  Value& push(Kind kind);
  void push_integer(int64_t integer, Kind kind = Kind::integer) { push(kind).integer = integer; }
  void push_text(uint64_t bytes, Kind kind) { push(kind).text = in_.take(bytes, "a text"); }
  void push_long(uint64_t bytes);
  void push_tuple(std::vector<const Value*> items) { push(Kind::tuple).items = std::move(items); }
  void push_global(std::string_view module, std::string_view name);

  Value& pop();
  std::vector<const Value*> pop(size_t count);
  /// Everything since the last mark, and the mark.
  std::vector<const Value*> pop_to_mark();
  /// Appends to the list, dict or set on the stack.
  void extend(Kind kind, const std::vector<const Value*>& items);
  void remember(uint32_t number);
  void recall(uint32_t number);
  void call();
  void build();
  void add_pairs(Value& dict, const Value& list);

  ByteReader& in_;
  std::span<const std::string_view> allowed_;
  int64_t place_ = 0;       // of the operation
  int64_t operations_ = 0;  // so far
  std::deque<Value> values_;
  std::vector<Value*> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint32_t, Value*> memo_;
};

Value& Machine::push(Kind kind) {
  Value& value = values_.emplace_back();
  value.kind = kind;
  value.place = place_;
  stack_.push_back(&value);
  return value;
}

Value& Machine::pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("this takes a value from an empty stack");
  Value* value = stack_.back();
  stack_.pop_back();
  return *value;
}

std::vector<const Value*> Machine::pop(size_t count) {
  std::vector<const Value*> items(count);
  for (size_t i = count; i-- > 0;) items[i] = &pop();
  return items;
}

std::vector<const Value*> Machine::pop_to_mark() {
  if (marks_.empty()) fail("this needs a mark on the stack");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<const Value*> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void Machine::push_long(uint64_t bytes) {
  const std::string_view digits = in_.take(bytes, "an integer");
  if (bytes > 8) {
    push(Kind::other).text = digits;
    return;
  }
  uint64_t number = 0;
  for (size_t i = 0; i < bytes; ++i) number |= uint64_t{static_cast<uint8_t>(digits[i])} << (8 * i);
  if (bytes > 0 && bytes < 8 && (digits.back() & 0x80) != 0) number |= ~uint64_t{0} << (8 * bytes);  // negative
  push_integer(static_cast<int64_t>(number));
}

bool Machine::constant(uint8_t operation) {
  switch (operation) {
    case 'N':  // NONE
      push(Kind::none);
      return true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push_integer(operation == 0x88 ? 1 : 0, Kind::boolean);
      return true;
    case 'K':  // BININT1
      push_integer(number<uint8_t>());
      return true;
    case 'M':  // BININT2
      push_integer(number<uint16_t>());
      return true;
    case 'J':  // BININT
      push_integer(number<int32_t>());
      return true;
    case 0x8a:  // LONG1
      push_long(number<uint8_t>());
      return true;
    case 0x8b:  // LONG4
      push_long(number<uint32_t>());
      return true;
    case 'G':  // BINFLOAT
      push(Kind::real).real = number<double>(std::endian::big);
      return true;
  }
  return false;
}

bool Machine::text(uint8_t operation) {
  switch (operation) {
    case 'X':  // BINUNICODE
    case 'T':  // BINSTRING, of Python 2
      push_text(number<uint32_t>(), Kind::text);
      return true;
    case 0x8c:  // SHORT_BINUNICODE
    case 'U':   // SHORT_BINSTRING, of Python 2
      push_text(number<uint8_t>(), Kind::text);
      return true;
    case 0x8d:  // BINUNICODE8
      push_text(number<uint64_t>(), Kind::text);
      return true;
    case 'B':  // BINBYTES
      push_text(number<uint32_t>(), Kind::other);
      return true;
    case 'C':  // SHORT_BINBYTES
      push_text(number<uint8_t>(), Kind::other);
      return true;
    case 0x8e:  // BINBYTES8
      push_text(number<uint64_t>(), Kind::other);
      return true;
  }
  return false;
}

void Machine::extend(Kind kind, const std::vector<const Value*>& items) {
  Value& container = pop();
  stack_.push_back(&container);
  if (container.kind == Kind::call || container.kind == Kind::other) return;  // a Counter, a set: nobody reads them
  if (container.kind != kind)
    fail("this adds to a ", kind == Kind::dict ? "dict" : "list", ", but finds something else");
  if (kind == Kind::dict && items.size() % 2 != 0) fail("a key without a value");
  container.items.insert(container.items.end(), items.begin(), items.end());
}

bool Machine::container(uint8_t operation) {
  switch (operation) {
    case '}':  // EMPTY_DICT
      push(Kind::dict);
      return true;
    case ']':  // EMPTY_LIST
      push(Kind::list);
      return true;
    case ')':  // EMPTY_TUPLE
      push(Kind::tuple);
      return true;
    case 0x8f:  // EMPTY_SET
      push(Kind::other);
      return true;
    case 't':  // TUPLE
      push_tuple(pop_to_mark());
      return true;
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      push_tuple(pop(operation - 0x84U));
      return true;
    case 's':  // SETITEM
      extend(Kind::dict, pop(2));
      return true;
    case 'u':  // SETITEMS
      extend(Kind::dict, pop_to_mark());
      return true;
    case 'a':  // APPEND
      extend(Kind::list, pop(1));
      return true;
    case 'e':   // APPENDS
    case 0x90:  // ADDITEMS
      extend(Kind::list, pop_to_mark());
      return true;
  }
  return false;
}

void Machine::remember(uint32_t number) {
  Value& value = pop();
  stack_.push_back(&value);
  memo_[number] = &value;
}

void Machine::recall(uint32_t number) {
  const auto found = memo_.find(number);
  if (found == memo_.end()) fail("nothing is kept in place ", number);
  stack_.push_back(found->second);
}

bool Machine::stack_or_memo(uint8_t operation) {
  switch (operation) {
    case '(':  // MARK
      marks_.push_back(stack_.size());
      return true;
    case '0':  // POP
      pop();
      return true;
    case '1':  // POP_MARK
      pop_to_mark();
      return true;
    case 'q':  // BINPUT
      remember(number<uint8_t>());
      return true;
    case 'r':  // LONG_BINPUT
      remember(number<uint32_t>());
      return true;
    case 0x94:  // MEMOIZE
      remember(static_cast<uint32_t>(memo_.size()));
      return true;
    case 'h':  // BINGET
      recall(number<uint8_t>());
      return true;
    case 'j':  // LONG_BINGET
      recall(number<uint32_t>());
      return true;
    case 0x80:  // PROTO
      if (const int protocol = number<uint8_t>(); protocol < 2 || protocol > 5)
        fail("pickle protocol ", protocol, "; 2 to 5 are read");
      return true;
    case 0x95:  // FRAME: so many bytes belong together
      number<uint64_t>();
      return true;
  }
  return false;
}

void Machine::push_global(std::string_view module, std::string_view name) {
  for (const std::string_view full : allowed_) {
    if (full.size() != module.size() + 1 + name.size()) continue;
    if (!full.starts_with(module) || !full.ends_with(name) || full[module.size()] != '.') continue;
    push(Kind::global).text = full;
    return;
  }
  fail("names ", shortened(module), ".", shortened(name),
       ", which is none of the few names that are read in a file of weights. Nothing of the file has been run. "
       "PyTorch should write model.state_dict() here, not the model");
}

/// Calls of other functions remain calls.
void Machine::call() {
  Value& arguments = pop();
  Value& function = pop();
  if (function.kind != Kind::global || arguments.kind != Kind::tuple) fail("this calls something that has no name");
  if (function.text != kOrderedDict) {
    push(Kind::call).items = {&function, &arguments};
    return;
  }
  Value& dict = push(Kind::dict);
  if (!arguments.items.empty()) add_pairs(dict, *arguments.items[0]);
}

/// Python 2 writes OrderedDict([[key, value], ...]).
void Machine::add_pairs(Value& dict, const Value& list) {
  if (list.kind != Kind::list) fail("an OrderedDict is made of something else than a list");
  count(list.items.size());
  for (const Value* pair : list.items) {
    if ((pair->kind != Kind::list && pair->kind != Kind::tuple) || pair->items.size() != 2)
      fail("an OrderedDict is made of something else than pairs");
    dict.items.insert(dict.items.end(), pair->items.begin(), pair->items.end());
  }
}

/// Sets attributes of the object on the stack. Those of a dict (PyTorch keeps versions of modules
/// there) do not matter; those of other objects might.
void Machine::build() {
  pop();
  Value& object = pop();
  if (object.kind != Kind::dict) fail("this sets attributes of an object that is no dict");
  stack_.push_back(&object);
}

bool Machine::object(uint8_t operation) {
  switch (operation) {
    case 'c': {  // GLOBAL
      const std::string_view module = in_.until('\n', "the name of a module");
      push_global(module, in_.until('\n', "a name"));
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const Value& name = pop();
      const Value& module = pop();
      if (name.kind != Kind::text || module.kind != Kind::text) fail("a name that is no text");
      push_global(module.text, name.text);
      return true;
    }
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      call();
      return true;
    case 'b':  // BUILD
      build();
      return true;
    case 'Q': {  // BINPERSID
      const Value& id = pop();
      push(Kind::persistent).items = {&id};
      return true;
    }
  }
  return false;
}

Pickle Machine::run() {
  for (;;) {
    place_ = in_.offset();
    const auto operation = number<uint8_t>();
    if (operation == '.') {
      const Value& root = pop();
      return Pickle(std::move(values_), &root);
    }
    count(1);
    if (!constant(operation) && !text(operation) && !container(operation) && !stack_or_memo(operation) &&
        !object(operation))
      fail("operation ", int{operation}, " of a pickle, which weights do not need, or no pickle");
  }
}

}  // namespace

Pickle read_pickle(ByteReader& from, std::span<const std::string_view> allowed) { return Machine(from, allowed).run(); }

}  // namespace kindling::pickle
