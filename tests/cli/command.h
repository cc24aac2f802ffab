// Runs the `kindling` binary as a user would, and makes small data for it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/tests/support/temporary_folder.h>

namespace kindling::testing {

/// What a finished command has left.
struct Outcome {
  int code = 0;  ///< exit code; -N if signal N ended it
  std::string out, err;

  /// Standard output, which must be one JSON document and nothing else.
  nlohmann::json json() const;
};

/// Whether CommandOptions::address_space is of use: sanitizers take terabytes for themselves.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kCanLimitAddressSpace = false;
#else
inline constexpr bool kCanLimitAddressSpace = true;
#endif

struct CommandOptions {
  std::vector<std::pair<std::string, std::string>> environment = {};
  int64_t largest_file = 0;         ///< bytes that a file may grow to; 0: no limit
  int64_t address_space = 0;        ///< bytes that the process may have; 0: no limit
  std::string standard_error = {};  ///< what to open as it, for instance a terminal; "": a file for Outcome::err
  std::string working_folder = {};  ///< to run in; "": that of the test
  std::string program = KINDLING_COMMAND;
};

/// A command that is running.
class Command {
 public:
  explicit Command(std::vector<std::string> arguments, const CommandOptions& options = {});
  /// Kills it if it still runs.
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  void signal(int number) const;
  /// Waits until `condition` holds; false if the command ends before.
  bool wait_until(const std::function<bool()>& condition);
  Outcome wait();

 private:
  bool has_ended();

  TemporaryFolder folder_;  ///< of what it prints
  pid_t process_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

/// `arguments`, and then `more`.
std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more);

/// Runs a command to its end.
Outcome kindling_command(std::vector<std::string> arguments, const CommandOptions& options = {});

std::string contents(const std::string& path);
std::vector<nlohmann::json> json_lines(const std::string& path);

/// PATH/CLASS/N.bmp: `count` images of `size` pixels for each class, one colour a class with some
/// noise.
void write_images(const std::string& path, const std::vector<std::string>& classes, int count, int size = 16);

/// The weights in a checkpoint and nothing else, as a file of another program.
void write_weights_alone(const std::string& checkpoint, const std::string& weights);

}  // namespace kindling::testing
