#include "command.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include <kindling/io/atomic_file.h>
#include <kindling/io/safetensors.h>
#include <kindling/tensor/rng.h>

#include <kindling/tests/support/bmp.h>

namespace kindling::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Longer than any command here takes on a busy machine.
constexpr std::chrono::seconds kTimeout{900};

void limit(__rlimit_resource_t resource, int64_t value) {
  const rlimit limit{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  if (value > 0) ::setrlimit(resource, &limit);
}

/// The child's part, after fork: never returns.
[[noreturn]] void execute(const std::vector<std::string>& arguments, const CommandOptions& options,
                          const std::string& out, const std::string& err) {
  const int in = ::open("/dev/null", O_RDONLY);
  const int out_file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (::dup2(in, 0) < 0 || ::dup2(out_file, 1) < 0 || ::dup2(err_file, 2) < 0) ::_exit(99);
  if (!options.working_folder.empty() && ::chdir(options.working_folder.c_str()) != 0) ::_exit(97);
  for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
  limit(RLIMIT_FSIZE, options.largest_file);
  limit(RLIMIT_AS, options.address_space);
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(options.program.c_str(), words.data());
  ::_exit(98);
}

}  // namespace

nlohmann::json Outcome::json() const {
  INFO("standard output: " << out << "\nstandard error: " << err);
  const nlohmann::json document = nlohmann::json::parse(out, nullptr, /*allow_exceptions=*/false);
  REQUIRE_FALSE(document.is_discarded());
  return document;
}

Command::Command(std::vector<std::string> arguments, const CommandOptions& options) {
  arguments.insert(arguments.begin(), "kindling");
  process_ = ::fork();
  REQUIRE(process_ >= 0);
  const bool elsewhere = !options.standard_error.empty();
  if (process_ == 0) execute(arguments, options, folder_ / "out", elsewhere ? options.standard_error : folder_ / "err");
}

Command::~Command() {
  if (has_ended()) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, &status_, 0);
}

bool Command::has_ended() {
  if (!ended_) ended_ = ::waitpid(process_, &status_, WNOHANG) == process_;
  return ended_;
}

void Command::signal(int number) const { ::kill(process_, number); }

bool Command::wait_until(const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + kTimeout;
  while (!condition()) {
    if (has_ended()) return condition();
    REQUIRE(Clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

Outcome Command::wait() {
  wait_until([this] { return has_ended(); });
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
  return {code, contents(folder_ / "out"), contents(folder_ / "err")};
}

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Outcome kindling_command(std::vector<std::string> arguments, const CommandOptions& options) {
  return Command(std::move(arguments), options).wait();
}

std::string contents(const std::string& path) { return fs::exists(path) ? read_file(path) : ""; }

std::vector<nlohmann::json> json_lines(const std::string& path) {
  std::istringstream text(contents(path));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

void write_images(const std::string& path, const std::vector<std::string>& classes, int count, int size) {
  Rng rng(1);
  for (size_t label = 0; label < classes.size(); ++label) {
    const std::string folder = path + "/" + classes[label];
    fs::create_directories(folder);
    for (int i = 0; i < count; ++i) {
      const std::string bmp = make_bmp(size, [&](int, int, int channel) {
        const bool bright = static_cast<size_t>(channel) == label % 3;
        return static_cast<uint8_t>((bright ? 150 : 50) + rng.next_below(80));
      });
      std::ofstream(folder + "/" + std::to_string(1000 + i) + ".bmp", std::ios::binary) << bmp;
    }
  }
}

void write_weights_alone(const std::string& checkpoint, const std::string& weights) {
  const SafetensorsFile file(checkpoint);
  std::vector<NamedTensor> tensors;
  for (const TensorEntry& entry : file.entries())
    if (!entry.name.starts_with("@")) tensors.push_back({entry.name, file.read(entry)});
  write_safetensors(weights, tensors);
}

}  // namespace kindling::testing
