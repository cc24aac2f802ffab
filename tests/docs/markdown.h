// The code in a page of documentation.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <kindling/io/atomic_file.h>

namespace kindling {

struct CodeBlock {
  std::string heading;   ///< above it: "Train"
  std::string language;  ///< "cpp", "sh", ...
  std::string text;
};

/// The blocks between ``` and ``` of KINDLING_SOURCE_DIR/`page`, in order.
inline std::vector<CodeBlock> code_blocks(const std::string& page) {
  std::istringstream lines(read_file((std::filesystem::path(KINDLING_SOURCE_DIR) / page).string()));
  std::vector<CodeBlock> blocks;
  std::string heading;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      inside = !inside;
      if (inside) blocks.push_back({heading, line.substr(3), ""});
    } else if (inside) {
      blocks.back().text += line + "\n";
    } else if (line.starts_with("#")) {
      heading = line.substr(line.find_first_not_of("# "));
    }
  }
  return blocks;
}

}  // namespace kindling
