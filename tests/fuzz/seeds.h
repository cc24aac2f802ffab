// Files of a few hundred bytes from which fuzzing starts.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace kindling::fuzz {

/// By the name of their target, which accepts them all.
std::map<std::string, std::vector<std::string>> make_seeds();

}  // namespace kindling::fuzz
