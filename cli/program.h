// The command line as a whole: sub-commands, help, errors, exit codes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <kindling/cli/options.h>
#include <kindling/cli/settings.h>

namespace kindling::cli {

/// Exit codes besides Interrupt::exit_code().
enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2 };

/// The commands of `kindling`. Each sub-command has a file with a function add_NAME(Program&),
/// which adds it.
class Program {
 public:
  Program();
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Adds a sub-command that only holds others.
  CLI::App& add_group(const std::string& name, const std::string& description, const std::string& examples);

  /// Adds the sub-command `name` to `parent`. `Options` is a struct with a member `everywhere`;
  /// `declare` adds the rest of its members as options, `run` does the work and returns an exit
  /// code. The help ends with `examples`.
  template <class Options>
  void add(CLI::App& parent, const std::string& name, const std::string& description, const std::string& examples,
           void (*declare)(Options&, Settings&), int (*run)(Options&, Settings&)) {
    CLI::App& command = add_command(parent, name, description, examples);
    auto options = std::make_shared<Options>();
    auto settings = std::make_shared<Settings>(command);
    declare(*options, *settings);
    options->everywhere.declare(*settings);
    add_help_and_version(command);
    when_named(command, [options, settings, run] {
      options->everywhere.use_threads();
      return run(*options, *settings);
    });
  }

  CLI::App& root() { return root_; }
  /// Parses and runs the command line, and reports errors on standard error. Returns the exit code.
  int run(int argc, const char* const* argv);

 private:
  CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& description,
                        const std::string& examples);
  /// The function that run() calls if the command line names `command`.
  void when_named(CLI::App& command, std::function<int()> run);
  static void add_help_and_version(CLI::App& command);
  int parse(int argc, const char* const* argv);
  int run_command();
  bool names_unknown_command() const;
  int report_unknown_word() const;
  int report_wrong_usage(const std::string& message) const;
  int report_failure(const std::string& message) const;
  std::string memory_advice() const;
  /// The innermost command that was understood.
  const CLI::App& chosen_command() const;
  std::string command_name() const;

  std::unique_ptr<CLI::App> app_;
  CLI::App& root_;
  std::function<int()> run_;
};

void add_bench(Program& program);
void add_classify(Program& program);
void add_compress(Program& program);
void add_convert(Program& program);
void add_doctor(Program& program);
void add_eval(Program& program);
void add_gradcheck(Program& program);
void add_graph(Program& program);
void add_info(Program& program);
void add_sweep(Program& program);
void add_train(Program& program);

}  // namespace kindling::cli
