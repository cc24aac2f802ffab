#include <kindling/cli/program.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <new>
#include <numeric>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <kindling/cli/interrupt.h>
#include <kindling/cli/output.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

/// Breaks lines at `width` characters, between words. The rest of an indented line has the same
/// indent.
std::string wrapped(const std::string& text, size_t width) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    const std::string indent(std::min(line.find_first_not_of(' '), line.size()), ' ');
    std::istringstream words(line);
    std::string row;
    for (std::string word; words >> word; row += (row.empty() ? indent : " ") + word)
      if (!row.empty() && row.size() + 1 + word.size() > width) result += std::exchange(row, "") + "\n";
    result += row + "\n";
  }
  if (!result.empty()) result.pop_back();
  return result;
}

/// Help with an option a line: --name VALUE, what it is, its default.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kDescription); }

  std::string make_usage(const CLI::App* command, std::string name) const override {
    const bool has_commands = !command->get_subcommands({}).empty();
    return fmt::format("\nUsage: {} {}\n\n", name, has_commands ? "COMMAND [OPTION ...]" : "[OPTION ...]");
  }
  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    return CLI::Formatter::make_group(group, is_positional, options).substr(1);  // without the empty line in front
  }
  std::string make_option_name(const CLI::Option* option, bool) const override {
    const bool has_opposite = !option->get_fnames().empty();
    return has_opposite ? "--[no-]" + option->get_lnames().front() : option->get_name(false, true);
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_option_text().empty() ? "" : " " + option->get_option_text();
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::ostringstream out;
    const std::string description = wrapped(command->get_description(), kLine - kDescription);
    CLI::detail::format_help(out, command->get_name(), description, kDescription);
    return out.str();
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string value = option->get_default_str();
    const std::string fallback = value.empty() || value == "[]" ? "" : fmt::format(" (default {})", value);
    return wrapped(option->get_description() + fallback, kLine - kDescription);
  }

 private:
  static constexpr size_t kLine = 80, kDescription = 26;  // characters; where descriptions begin
};

std::string indented(const std::string& lines) {
  std::string result = "  ";
  for (const char c : lines) {
    result += c;
    if (c == '\n') result += "  ";
  }
  return result;
}

std::vector<std::string> command_names(const CLI::App& group) {
  std::vector<std::string> names;
  for (const CLI::App* command : group.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// Letters to insert, delete or replace to get from one word to the other.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}

/// " Did you mean ...?" if a word is near.
std::string suggestion(const std::string& word, const std::vector<std::string>& words) {
  constexpr size_t kFar = 3;
  const auto distance = [&](const std::string& other) { return edit_distance(word, other); };
  const auto nearest = std::ranges::min_element(words, {}, distance);
  return nearest != words.end() && distance(*nearest) < kFar ? fmt::format("; did you mean {}?", *nearest) : "";
}

/// The arguments as CLI11 takes them, the last first. "--out=" becomes "--out" and "", and the
/// option says that it needs a value. CLI11 alone would take the next word for the value.
std::vector<std::string> reversed_words(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {
    std::string word = argv[i];
    if (word.starts_with("--") && word.ends_with('=')) {
      words.emplace_back();
      word.pop_back();
    }
    words.push_back(std::move(word));
  }
  return words;
}

/// Opens something in place of standard descriptors that are closed. Otherwise the next file that
/// is opened would take their number, and output would go into it. What is opened cannot be written
/// to.
void occupy_standard_descriptors() {
  int descriptor = 0;
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) ::close(descriptor);
}

}  // namespace

Program::Program()
    : app_(std::make_unique<CLI::App>("Kindling: trains and examines neural networks on the CPU you have")),
      root_(*app_) {
  root_.name("kindling");
  root_.formatter(std::make_shared<HelpFormatter>());
  add_help_and_version(root_);
  root_.option_defaults()->always_capture_default();
  root_.footer("Every command has --help with an example. To begin with:\n" + indented("kindling train"));
}

Program::~Program() = default;

CLI::App& Program::add_command(CLI::App& parent, const std::string& name, const std::string& description,
                               const std::string& examples) {
  CLI::App& command = *parent.add_subcommand(name, description)->group("Commands");
  command.set_help_flag();
  command.footer("Example:\n" + indented(examples));
  return command;
}

CLI::App& Program::add_group(const std::string& name, const std::string& description, const std::string& examples) {
  CLI::App& group = add_command(root_, name, description, examples);
  add_help_and_version(group);
  return group;
}

void Program::when_named(CLI::App& command, std::function<int()> run) {
  command.callback([this, run = std::move(run)] { run_ = run; });
}

void Program::add_help_and_version(CLI::App& command) {
  command.set_help_flag("-h,--help", "Print this help")->group("Everywhere");
  command.set_version_flag("--version", version(), "Print the version")->group("Everywhere");
}

int Program::run(int argc, const char* const* argv) {
  occupy_standard_descriptors();
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond the largest size of files (ulimit -f) then fails, as on a full disk
  int code = parse(argc, argv);
  if (code == kDone && run_) code = run_command();
  if (flush_output()) return code;
  if (output_error() == EPIPE) return code == kDone ? kFailed : code;  // its reader, such as head, has seen enough
  report_failure("standard output cannot be written: " + std::generic_category().message(output_error()));
  return code == kDone ? kFailed : code;
}

int Program::parse(int argc, const char* const* argv) {
  try {
    root_.parse(reversed_words(argc, argv));
  } catch (const CLI::Success& request) {  // --help, --version
    return names_unknown_command() ? report_unknown_word() : root_.exit(request);
  } catch (const CLI::ExtrasError&) {
    return report_unknown_word();
  } catch (const CLI::ParseError& error) {
    return report_wrong_usage(error.what());
  }
  if (run_) return kDone;
  return report_wrong_usage(fmt::format("a command is needed: {}", fmt::join(command_names(chosen_command()), ", ")));
}

/// Whether there is a word where a command should be: help on it cannot be given.
bool Program::names_unknown_command() const {
  const std::vector<std::string> words = root_.remaining(/*recurse=*/true);
  return !words.empty() && !words.front().starts_with("-") && !command_names(chosen_command()).empty();
}

/// The first word that is neither an option nor a command.
int Program::report_unknown_word() const {
  const std::string word = root_.remaining(/*recurse=*/true).front();
  const CLI::App& command = chosen_command();
  if (word.starts_with("-"))
    return report_wrong_usage(fmt::format("there is no option {}{}", word, suggestion(word, option_names(command))));
  const std::vector<std::string> commands = command_names(command);
  if (commands.empty()) return report_wrong_usage(fmt::format("what is \"{}\" for?", word));
  const std::string near = suggestion(word, commands);
  return report_wrong_usage(
      fmt::format("there is no command \"{}\"{}", word,
                  near.empty() ? fmt::format("; there are {}", fmt::join(commands, ", ")) : near));
}

int Program::run_command() {
  try {
    return run_();
  } catch (const UsageError& error) {
    return report_wrong_usage(error.what());
  } catch (const Stopped&) {
    return Interrupt::exit_code();
  } catch (const std::bad_alloc&) {
    return report_failure("out of memory" + memory_advice());
  } catch (const std::exception& error) {
    return report_failure(error.what());
  }
}

/// The options of the command that affect memory most.
std::string Program::memory_advice() const {
  const std::vector<std::string> names = option_names(chosen_command());
  std::vector<std::string> found;
  for (const char* name : {"--batch-size", "--size", "--classes", "--channels", "--filters", "--m"})
    if (std::ranges::find(names, name) != names.end()) found.emplace_back(name);
  return found.empty() ? "" : fmt::format("; a smaller {} needs less", fmt::join(found, " or "));
}

int Program::report_wrong_usage(const std::string& message) const {
  say(fmt::format("{0}: {1}\nTry '{0} --help'.\n", command_name(), printable(message)));
  return kWrongUsage;
}

/// Indents all lines but the first. A line that looks like one of its own comes from a name with a
/// line break in it.
int Program::report_failure(const std::string& message) const {
  std::string text;
  for (size_t i = 0; i < message.size(); ++i) {
    const bool stray = message[i] == '\n' && message.compare(i + 1, 2, "  ") != 0;
    text += stray ? "\\x0a" : message.substr(i, 1);
  }
  say(command_name() + ": " + text + "\n");
  return kFailed;
}

const CLI::App& Program::chosen_command() const {
  const CLI::App* command = &root_;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

/// "kindling bench train", as far as it was understood.
std::string Program::command_name() const {
  std::string name;
  for (const CLI::App* command = &chosen_command(); command != nullptr; command = command->get_parent())
    name = command->get_name() + (name.empty() ? "" : " " + name);
  return name;
}

}  // namespace kindling::cli
