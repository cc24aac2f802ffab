// Which layers or parameters are meant, by a pattern.
#pragma once

#include <regex.h>  // <regex> takes seconds to compile

#include <string>

namespace kindling {

/// A POSIX extended regular expression that is looked for anywhere in a name: "expand3x3$".
class NamePattern {
 public:
  /// Throws Error, which begins with `user` ("freeze"), if `text` is no regular expression.
  NamePattern(const std::string& user, const std::string& text);
  ~NamePattern() { regfree(&compiled_); }
  NamePattern(const NamePattern&) = delete;
  NamePattern& operator=(const NamePattern&) = delete;

  bool matches(const std::string& name) const { return regexec(&compiled_, name.c_str(), 0, nullptr, 0) == 0; }

 private:
  regex_t compiled_{};
};

}  // namespace kindling
