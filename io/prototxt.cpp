// Reading a .prototxt: protobuf's text format, as far as names, types and order of layers need it. A message is a row
// of fields, `key: value` or `key { message }`. A value is a word (also a number), text in quotes, or a list of values
// or messages in brackets. https://protobuf.dev/reference/protobuf/textformat-spec/
#include <algorithm>

#include <kindling/io/atomic_file.h>
#include <kindling/io/caffe.h>
#include <kindling/io/caffe_types.h>
#include <kindling/io/file_error.h>

namespace kindling {
namespace {

// More than this, of a few bytes each, would take far more memory than the file.
constexpr size_t kMaxLayers = 1 << 16;
constexpr std::string_view kSigns = "{}<>[]:,;";

bool is_space(char c) { return c == ' ' || ('\t' <= c && c <= '\r'); }
bool is_quote(char c) { return c == '"' || c == '\''; }
bool is_sign(char c) { return kSigns.find(c) != std::string_view::npos; }

struct Token {
  enum class Kind : uint8_t { end, sign, word, text } kind = Kind::end;
  std::string value;   ///< text without its quotes
  int64_t offset = 0;  ///< in the file

  bool is(char sign) const { return kind == Kind::sign && value[0] == sign; }
  bool opens_message() const { return is('{') || is('<'); }
  bool is_scalar() const { return kind == Kind::word || kind == Kind::text; }
  /// The sign that ends what this one begins; "" at the start of the file, which ends with the
  /// file.
  std::string end() const { return is('{') ? "}" : is('<') ? ">" : is('[') ? "]" : ""; }
};

class Tokens {
 public:
  Tokens(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  Token next() {
    skip_space();
    const auto offset = static_cast<int64_t>(next_);
    if (next_ == text_.size()) return {Token::Kind::end, "", offset};
    if (is_quote(text_[next_])) return {Token::Kind::text, quoted(), offset};
    if (is_sign(text_[next_])) return {Token::Kind::sign, {text_[next_++]}, offset};
    const size_t begin = next_;
    while (next_ < text_.size() && is_word(text_[next_])) ++next_;
    return {Token::Kind::word, std::string(text_.substr(begin, next_ - begin)), offset};
  }

 private:
  static bool is_word(char c) { return !is_space(c) && !is_quote(c) && !is_sign(c) && c != '#'; }

  void skip_space() {
    while (next_ < text_.size() && (is_space(text_[next_]) || text_[next_] == '#'))
      next_ = text_[next_] == '#' ? std::min(text_.find('\n', next_), text_.size()) : next_ + 1;
  }

  /// Several texts in a row are one. Escapes, which no name of a layer has, stay as they are.
  std::string quoted() {
    std::string value;
    while (next_ < text_.size() && is_quote(text_[next_])) {
      const char quote = text_[next_];
      const size_t begin = next_ + 1;
      size_t end = begin;
      while (end < text_.size() && text_[end] != quote && text_[end] != '\n') end += text_[end] == '\\' ? 2 : 1;
      if (end >= text_.size() || text_[end] != quote)
        refuse(path_, static_cast<int64_t>(next_), "the text that begins here has no end in its line");
      value += text_.substr(begin, end - begin);
      next_ = end + 1;
      skip_space();
    }
    return value;
  }

  const std::string& path_;
  std::string_view text_;
  size_t next_ = 0;
};

class PrototxtReader {
 public:
  PrototxtReader(const std::string& path, std::string_view text) : net_{path, "", {}}, tokens_(net_.path, text) {}

  CaffeNet read() {
    for_each_field(Token{}, [&](const std::string& key, const Token& value) {
      if (key == "name") net_.name = value.value;
      if (value.opens_message() && (key == "layer" || key == "layers")) {
        read_layer(value);
      } else {
        skip(value);
      }
    });
    if (net_.layers.empty()) throw FileError(net_.path + ": no layers: not a .prototxt");
    return std::move(net_);
  }

 private:
  [[noreturn]] void fail(const Token& token, const char* what) const {
    refuse(net_.path, token.offset, "not a .prototxt: ", what, " should stand here");
  }

  /// Whether `token` is the end of what `opened` begins.
  bool ends(const Token& opened, const Token& token) const {
    if (token.kind != Token::Kind::end) return token.kind == Token::Kind::sign && token.value == opened.end();
    if (!opened.end().empty()) refuse(net_.path, opened.offset, "the file ends before what begins here");
    return true;
  }

  /// Calls f(key, value) for each field of the message that `opened` begins, and for each element
  /// of a list. If the value begins a message, f must read it to its end.
  template <class F>
  void for_each_field(const Token& opened, F f) {
    for (Token key = tokens_.next(); !ends(opened, key); key = tokens_.next()) {
      if (key.is(',') || key.is(';')) continue;
      if (key.kind != Token::Kind::word) fail(key, "the name of a field");
      Token value = tokens_.next();
      const bool has_colon = value.is(':');
      if (has_colon) value = tokens_.next();
      if (has_colon && value.is('[')) {
        for (Token element = tokens_.next(); !ends(value, element); element = tokens_.next())
          if (!element.is(',')) take(key.value, element, f);
      } else {
        if (!has_colon && value.is_scalar()) fail(value, "a colon");
        take(key.value, value, f);
      }
    }
  }

  template <class F>
  void take(const std::string& key, const Token& value, F f) {
    if (!value.is_scalar() && !value.opens_message()) fail(value, "a value");
    f(key, value);
  }

  /// To the end of the message that `value` begins. A loop, so that no file can exhaust the stack.
  void skip(const Token& value) {
    if (!value.opens_message()) return;
    std::string ends = value.end();  // of all messages and lists that are open
    while (!ends.empty()) {
      const Token token = tokens_.next();
      if (token.kind == Token::Kind::end) refuse(net_.path, value.offset, "the file ends before what begins here");
      if (token.kind != Token::Kind::sign || token.is(':') || token.is(',') || token.is(';')) continue;
      if (!token.end().empty()) {
        ends += token.end();
      } else if (token.is(ends.back())) {
        ends.pop_back();
      } else {
        fail(token, "another bracket");
      }
    }
  }

  void read_layer(const Token& opened) {
    CaffeLayer layer;
    bool has_include = false, is_included = false, is_excluded = false;
    for_each_field(opened, [&](const std::string& key, const Token& value) {
      if (value.opens_message() && key == "include") {
        has_include = true;
        is_included |= is_met(value);
      } else if (value.opens_message() && key == "exclude") {
        is_excluded |= is_met(value);
      } else {
        if (key == "name") layer.name = value.value;
        if (key == "type")
          layer.type = value.kind == Token::Kind::word ? caffe::type_of_word(value.value) : value.value;
        skip(value);
      }
    });
    if (has_include ? !is_included : is_excluded) return;
    if (net_.layers.size() == kMaxLayers) refuse(net_.path, opened.offset, "more than ", kMaxLayers, " layers");
    net_.layers.push_back(std::move(layer));
  }

  /// Whether the rule, the message that `opened` begins, holds in the phase TEST, on level 0,
  /// without stages.
  bool is_met(const Token& opened) {
    bool result = true;
    for_each_field(opened, [&](const std::string& key, const Token& value) {
      if (key == "phase") result &= value.value == "TEST" || value.value == "1";
      if (key == "min_level") result &= value.value.starts_with('-') || value.value == "0";
      if (key == "max_level") result &= !value.value.starts_with('-');
      if (key == "stage") result = false;
      skip(value);
    });
    return result;
  }

  CaffeNet net_;
  Tokens tokens_;
};

}  // namespace

CaffeNet read_prototxt(const std::string& path) {
  const std::string text = read_file(path);
  return PrototxtReader(path, text).read();
}

}  // namespace kindling
