#include <kindling/io/pickle.h>

#include <catch2/catch.hpp>

#include <kindling/io/atomic_file.h>

#include <kindling/tests/io/hostile_files.h>
#include <kindling/tests/io/pickles.h>

using namespace kindling;
using namespace kindling::pickle;
using namespace kindling::testing;

namespace {

constexpr std::string_view kAllowed[] = {"collections.OrderedDict", "torch.Size"};

/// Reads the file as one pickle.
void load(const std::string& path) {
  const std::string bytes = read_file(path);
  ByteReader in(path, bytes);
  read_pickle(in, kAllowed);
}

/// What it says of these operations, after "80 02" and before ".".
std::string refusal_of(const std::string& operations) { return refusal(testing::pickle(operations), load); }

/// A pickle in memory.
struct Parsed {
  explicit Parsed(std::string program) : bytes(std::move(program)), in("x", bytes), pickle(read_pickle(in, kAllowed)) {}
  const Value& root() const { return pickle.root(); }
  std::string bytes;
  ByteReader in;
  Pickle pickle;
};

/// The value as Python would print it, more or less.
std::string shown(const Value& value) {
  const auto list = [&](const std::string& open, const std::string& close) {
    std::string all = open;
    for (const Value* item : value.items) all += (all == open ? "" : ", ") + shown(*item);
    return all + close;
  };
  switch (value.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.integer != 0 ? "True" : "False";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::real:
      return std::to_string(value.real);
    case Kind::text:
      return "'" + std::string(value.text) + "'";
    case Kind::list:
      return list("[", "]");
    case Kind::tuple:
      return list("(", ")");
    case Kind::dict:
      return list("{", "}");
    case Kind::global:
      return std::string(value.text);
    case Kind::call:
      return shown(*value.items[0]) + shown(*value.items[1]);
    case Kind::persistent:
      return list("<", ">");
    case Kind::other:
      break;
  }
  return "other";
}

std::string shown(const std::string& operations) { return shown(Parsed(testing::pickle(operations)).root()); }

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2) bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

// What Python's pickle.dumps writes of
//   {"a": [1, -2, 300, 70000, 2**40, -1.5], "b": (None, True, "é"), 7: 8}
// and, as a later protocol, with "s": {1, 2}, "c": b"xy" in addition.
const std::string kProtocol2 = from_hex(
    "80027d71002858010000006171015d7102284b014afeffffff4d2c014a701101008a0600000000000147bff800000000000065580100000062"
    "71"
    "034e885802000000c3a971048771054b074b08752e");
const std::string kProtocol4 = from_hex(
    "80049553000000000000007d94288c0161945d94284b014afeffffff4d2c014a701101008a0600000000000147bff8000000000000658c0162"
    "94"
    "4e888c02c3a99487944b074b088c0173948f94284b014b02908c01639443027879"
    "94752e");

}  // namespace

TEST_CASE("pickles of Python are read, protocols 2 to 5") {
  const std::string items = "{'a', [1, -2, 300, 70000, 1099511627776, -1.500000], 'b', (None, True, 'é'), 7, 8";
  CHECK(shown(Parsed(kProtocol2).root()) == items + "}");
  CHECK(shown(Parsed(kProtocol4).root()) == items + ", 's', other, 'c', other}");
  std::string protocol5 = kProtocol4;
  protocol5[1] = 5;
  CHECK(shown(Parsed(protocol5).root()) == items + ", 's', other, 'c', other}");
}

TEST_CASE("integers of every width and sign") {
  CHECK(shown("K\xff") == "255");
  CHECK(shown("M\xff\xff") == "65535");
  CHECK(shown("J\xff\xff\xff\x7f") == "2147483647");
  CHECK(shown(from_hex("4a00000080")) == "-2147483648");
  CHECK(shown(from_hex("8a00")) == "0");
  CHECK(shown(from_hex("8a0180")) == "-128");
  CHECK(shown(from_hex("8a02ff7f")) == "32767");
  CHECK(shown(from_hex("8a08ffffffffffffff7f")) == std::to_string(INT64_MAX));
  CHECK(shown(from_hex("8b080000000000000000000080")) == std::to_string(INT64_MIN));
  const Parsed large(from_hex("80028a0a0102030405060708090a2e"));
  CHECK(large.root().kind == Kind::other);
  CHECK(large.root().text == from_hex("0102030405060708090a"));
}

TEST_CASE("texts of Python 2, and long forms") {
  CHECK(shown("U\x02hi") == "'hi'");
  CHECK(shown("T" + raw<uint32_t>(2) + "hi") == "'hi'");
  CHECK(shown("\x8d" + raw<uint64_t>(2) + "hi") == "'hi'");
  CHECK(shown("B" + raw<uint32_t>(2) + "hi") == "other");
  CHECK(shown("\x8e" + raw<uint64_t>(2) + "hi") == "other");
}

TEST_CASE("the stack, marks and the memo work as in Python") {
  CHECK(shown("K\x01K\x02"
              "0") == "1");  // POP
  CHECK(shown("K\x01(K\x02K\x03"
              "1") == "1");  // POP_MARK
  CHECK(shown("K\x01r" + raw<uint32_t>(70000) + "0j" + raw<uint32_t>(70000) + "\x85") == "(1)");
  CHECK(shown("]q\x05K\x01"
              "a0h\x05") == "[1]");  // APPEND to a list that the memo keeps
  CHECK(shown("K\x05\x94K\x06\x94"
              "0h\x01\x86") == "(5, 6)");  // MEMOIZE counts from 0
}

TEST_CASE("an OrderedDict is a dict, whatever Python wrote it") {
  const std::string ordered = global("collections", "OrderedDict");
  CHECK(shown(ordered + ")RX\x01" + from_hex("000000") + "aK\x01s") == "{'a', 1}");
  CHECK(shown(ordered + "](" + tuple({text("a"), "K\x01"}) + tuple({text("b"), "K\x02"}) + "e\x85R") ==
        "{'a', 1, 'b', 2}");                                                   // Python 2
  CHECK(shown(text("collections") + text("OrderedDict") + "\x93)R") == "{}");  // STACK_GLOBAL
  CHECK(shown(ordered + ")R" + dict({text("_metadata"), ordered + ")R"}) + "b") ==
        "{}");  // BUILD: attributes are dropped
}

TEST_CASE("calls and persistent objects stay what they are") {
  CHECK(shown(global("torch", "Size") + integers({2, 3}) + "\x85R") == "torch.Size((2, 3))");
  CHECK(shown(global("torch", "Size") + ")\x81") == "torch.Size()");
  CHECK(shown(tuple({text("storage"), "K\x01"}) + "Q") == "<('storage', 1)>");
}

TEST_CASE("os.system is refused and named, and where it stands") {
  const std::string why =
      ", which is none of the few names that are read in a file of weights. Nothing of the file has been run. PyTorch "
      "should write model.state_dict() here, not the model";
  CHECK(refusal_of(global("os", "system") + tuple({text("touch /tmp/x")}) + "R") == "byte 2: names os.system" + why);
  CHECK(refusal_of(text("os") + text("system") + "\x93)R") == "byte 20: names os.system" + why);
  CHECK(refusal_of("}" + text("a") + global("torch.Size", "__class__")) == "byte 9: names torch.Size.__class__" + why);
  CHECK(refusal_of(global("torc", ".Size")) == "byte 2: names torc..Size" + why);
  CHECK(refusal_of(global(std::string(200, 'a'), "b")) == "byte 2: names " + std::string(80, 'a') + "....b" + why);
}

TEST_CASE("what is no pickle of weights is refused") {
  CHECK(refusal("\x80\x01N.", load) == "byte 0: pickle protocol 1; 2 to 5 are read");
  CHECK(refusal_of("I1\n") == "byte 2: operation 73 of a pickle, which weights do not need, or no pickle");
  CHECK(refusal_of("") == "byte 2: this takes a value from an empty stack");
  CHECK(refusal_of("K\x01(0") == "byte 5: this takes a value from an empty stack");  // below the mark
  CHECK(refusal_of("t") == "byte 2: this needs a mark on the stack");
  CHECK(refusal_of("h\x03") == "byte 2: nothing is kept in place 3");
  CHECK(refusal_of("}(K\x01u") == "byte 6: a key without a value");
  CHECK(refusal_of("]K\x01K\x02s") == "byte 7: this adds to a dict, but finds something else");
  CHECK(refusal_of("}K\x01"
                   "a") == "byte 5: this adds to a list, but finds something else");
  CHECK(refusal_of("K\x01)R") == "byte 5: this calls something that has no name");
  CHECK(refusal_of("K\x01K\x02\x93") == "byte 6: a name that is no text");
  CHECK(refusal_of(global("torch", "Size") + ")R}b") == "byte 17: this sets attributes of an object that is no dict");
  CHECK(refusal_of(global("collections", "OrderedDict") + "K\x01\x85R") ==
        "byte 30: an OrderedDict is made of something else than a list");
  CHECK(refusal_of(global("collections", "OrderedDict") + "]K\x01"
                                                          "a\x85R") ==
        "byte 32: an OrderedDict is made of something else than pairs");
}

TEST_CASE("a pickle that is cut off or changed") {
  for (const std::string& program : {kProtocol2, kProtocol4}) {
    check_truncations(program, load);
    CHECK(refused_after_change(program, load) > program.size());
  }
}

TEST_CASE("few bytes that stand for a huge tree take little") {
  std::string program = ")q";  // x = (); x = (x, x), 5000 times
  program += '\x00';
  for (int i = 0; i < 5000; ++i) program += from_hex("30680068008671") + '\x00';
  const Parsed parsed(testing::pickle(program));
  CHECK(parsed.pickle.values().size() == 5001);
  CHECK(parsed.root().items[0] == parsed.root().items[1]);
}

TEST_CASE("the number of operations is bounded, and with it time and memory") {
  const std::string most(static_cast<size_t>(kMaxOperations), 'N');
  CHECK(refusal_of(most) == "byte 4194305: a pickle of more than 4194304 operations");  // PROTO is one, too
  // The same list of 1000 pairs becomes an OrderedDict over and over.
  std::string program = "](";
  for (int i = 0; i < 1000; ++i) program += "))\x86";
  program += "eq";
  program += '\x00';
  for (int i = 0; i < 5000; ++i) program += global("collections", "OrderedDict") + "h" + '\x00' + "\x85R";
  CHECK_THAT(refusal_of(program), Catch::Contains("a pickle of more than 4194304 operations"));
}
