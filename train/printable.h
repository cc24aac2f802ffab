// Text from outside (names of files, tensors, classes) made safe for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace kindling::terminal {

/// Begins a colour code in a text for printable_lines(): kColour + "31m" is red. No file name can
/// contain it.
inline constexpr char kColour = '\0';

/// `text` with every control character written as its bytes: "\x1b" or "\xc2\x9b". Control
/// characters are those below a blank, 0x7f, and 0x80 to 0x9f, alone or as U+0080 to U+009F. All
/// other bytes stay, whether UTF-8 or not.
std::string printable(std::string_view text);

/// The same for text of several lines. "\n" stays. kColour with digits and an "m" becomes an escape
/// code.
std::string printable_lines(std::string_view text);

}  // namespace kindling::terminal
