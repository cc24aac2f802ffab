// Python's pickle, of which PyTorch's files consist. Internal to io/.
//
// A pickle is a program for a small machine with a stack and numbered places (the memo). {"a": 7} is
//
//   80 02             PROTO 2
//   7d 71 00          EMPTY_DICT, pushed; BINPUT 0: also kept in place 0
//   58 01000000 61    BINUNICODE: the text "a", pushed
//   4b 07             BININT1: 7, pushed
//   73                SETITEM: takes value and key from the stack, and puts them into the dict
//   2e                STOP: what is on the stack is the result
//
// Python's own reader can be made to run anything: GLOBAL pushes a function by its name, as
// "os.system", and REDUCE calls it. This reader runs nothing. A name must be one of those that the
// caller allows, and a call becomes a value that says what is to be called with what.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include <kindling/io/byte_reader.h>

namespace kindling::pickle {

enum class Kind : uint8_t {
  none,
  boolean,     ///< in `integer`
  integer,     ///< in `integer`
  real,        ///< in `real`
  text,        ///< in `text`, not checked to be UTF-8
  list,        ///< of `items`
  tuple,       ///< of `items`
  dict,        ///< keys and values in turn are `items`; also an OrderedDict
  global,      ///< the allowed name is `text`, as "torch.FloatStorage"
  call,        ///< items[0], a global, is called with items[1], a tuple
  persistent,  ///< the object that the program knows by items[0]
  other        ///< a set, bytes (in `text`), or an integer of more than 64 bits (its bytes in `text`)
};

/// A value of a pickle. One that is used in several places exists once, so a few bytes may stand
/// for a tree of any size: whoever walks through values must bound the walk.
struct Value {
  Kind kind = Kind::none;
  int64_t place = 0;  ///< in the file, of the operation that made it
  int64_t integer = 0;
  double real = 0;
  std::string_view text;  ///< in the file, or one of the allowed names
  std::vector<const Value*> items;
};

/// A pickle that has been read. It owns the values; the texts are the file's.
class Pickle {
 public:
  explicit Pickle(std::deque<Value> values, const Value* root) : values_(std::move(values)), root_(root) {}
  Pickle(Pickle&&) = default;

  const Value& root() const { return *root_; }
  /// In the order in which they were made.
  const std::deque<Value>& values() const { return values_; }

 private:
  std::deque<Value> values_;  // stay where they are when more come
  const Value* root_;
};

/// More operations than a pickle may have. A state_dict takes about 40 for each tensor.
inline constexpr int64_t kMaxOperations = int64_t{1} << 22;

/// Reads the pickle that begins at the reader's place, protocols 2 to 5, up to its STOP. Knows what
/// Python writes for numbers, text, bytes, lists, tuples, dicts, sets, objects by a name and
/// objects by a persistent id. Throws FileError with path and offset if a name is not in `allowed`,
/// and for everything else that is not as it should be. Takes time and memory linear in the bytes
/// read.
Pickle read_pickle(ByteReader& from, std::span<const std::string_view> allowed);

}  // namespace kindling::pickle
