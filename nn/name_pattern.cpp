#include <kindling/nn/name_pattern.h>

#include <kindling/tensor/check.h>

namespace kindling {

NamePattern::NamePattern(const std::string& user, const std::string& text) {
  if (const int code = regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB); code != 0) {
    char what[128];
    regerror(code, &compiled_, what, sizeof what);
    throw Error(user + ": \"" + text + "\" is no regular expression: " + what);
  }
}

}  // namespace kindling
