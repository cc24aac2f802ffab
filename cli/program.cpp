#include <kindling/cli/program.h>

#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>

#include <fmt/format.h>

#include <kindling/cli/output.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

/// Help with one line an option: --name VALUE, what it is, its default.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(26); }

  std::string make_usage(const CLI::App* command, std::string name) const override {
    const bool has_commands = !command->get_subcommands({}).empty();
    return fmt::format("\nUsage: {} {}\n", name, has_commands ? "COMMAND [OPTION ...]" : "[OPTION ...]");
  }
  std::string make_option_name(const CLI::Option* option, bool) const override {
    const bool has_opposite = !option->get_fnames().empty();
    return has_opposite ? "--[no-]" + option->get_lnames().front() : option->get_name(false, true);
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_option_text().empty() ? "" : " " + option->get_option_text();
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string& value = option->get_default_str();
    return option->get_description() + (value.empty() ? "" : fmt::format(" (default {})", value));
  }
};

std::string indented(const std::string& lines) {
  std::string result = "  ";
  for (const char c : lines) {
    result += c;
    if (c == '\n') result += "  ";
  }
  return result;
}

std::string names_of(const CLI::App& group) {
  std::string names;
  for (const CLI::App* command : group.get_subcommands({})) names += (names.empty() ? "" : ", ") + command->get_name();
  return names;
}

}  // namespace

Program::Program() : root_("Kindling: trains and examines neural networks on the CPU you have") {
  root_.name("kindling");
  root_.formatter(std::make_shared<HelpFormatter>());
  root_.set_help_flag("-h,--help", "Print this help");
  root_.set_version_flag("--version", version());
  root_.option_defaults()->always_capture_default();
  root_.footer("Every command has --help with an example. To begin with:\n" + indented("kindling train"));
}

CLI::App& Program::add_command(CLI::App& parent, const std::string& name, const std::string& description,
                               const std::string& examples) {
  CLI::App& command = *parent.add_subcommand(name, description)->group("Commands");
  command.set_version_flag("--version", version())->group("Everywhere");
  command.get_help_ptr()->group("Everywhere");
  command.footer("Example:\n" + indented(examples));
  return command;
}

CLI::App& Program::add_group(const std::string& name, const std::string& description, const std::string& examples) {
  return add_command(root_, name, description, examples);
}

int Program::run(int argc, const char* const* argv) {
  int code = parse(argc, argv);
  if (code == kDone && run_) code = run_command();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return report_failure("standard output cannot be written: " + std::generic_category().message(errno));
  return code;
}

int Program::parse(int argc, const char* const* argv) {
  try {
    root_.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    return root_.exit(request);
  } catch (const CLI::ParseError& error) {
    return report_wrong_usage(error.what());
  }
  if (run_) return kDone;
  const std::vector<CLI::App*> chosen = root_.get_subcommands();
  return report_wrong_usage("which one? There are " + names_of(chosen.empty() ? root_ : *chosen.front()));
}

int Program::run_command() {
  try {
    return run_();
  } catch (const UsageError& error) {
    return report_wrong_usage(error.what());
  } catch (const Stopped&) {
    return kInterrupted;
  } catch (const std::bad_alloc&) {
    return report_failure("out of memory; a smaller --batch-size or --size needs less");
  } catch (const std::exception& error) {
    return report_failure(error.what());
  }
}

int Program::report_wrong_usage(const std::string& message) const {
  fmt::print(stderr, "{0}: {1}\nTry '{0} --help'.\n", command_name(), message);
  return kWrongUsage;
}

int Program::report_failure(const std::string& message) const {
  fmt::print(stderr, "{}: {}\n", command_name(), message);
  return kFailed;
}

/// "kindling bench train", as far as it was understood.
std::string Program::command_name() const {
  std::string name = root_.get_name();
  for (const CLI::App* command = &root_; !command->get_subcommands().empty();) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  return name;
}

}  // namespace kindling::cli
