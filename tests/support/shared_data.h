// Real pictures and networks that are not part of the project.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

namespace kindling {

/// `name` in the shared data folder, KINDLING_DATA or ../shared/data
/// beside the source; none if it is not there (a warning says so).
inline std::optional<std::filesystem::path> shared_data(const std::string& name) {
  const std::filesystem::path beside = std::filesystem::path(KINDLING_SOURCE_DIR) / ".." / "shared" / "data";
  const char* given = std::getenv("KINDLING_DATA");
  const std::filesystem::path path = (given != nullptr ? std::filesystem::path(given) : beside) / name;
  if (std::filesystem::exists(path)) return path;
  WARN("skipped: there is no " << path.string() << " (KINDLING_DATA names another data folder)");
  return std::nullopt;
}

}  // namespace kindling
