// Tables of the options of a command: what each must do to the command's result.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "command.h"

namespace kindling::testing {

/// What two values of an option do to the result of a command.
enum class Expect {
  other_weights,  ///< train: the trained parameters and buffers differ in their bits
  other_figures,  ///< the JSON document differs, beyond rounding, in more than measured times
  other_bits,     ///< figures differ, but agree up to rounding
  same,           ///< as good as nothing: all of last.ckpt is the same, figures agree but for rounding
  refused,        ///< the first runs, the second ends with an exit code other than 0
  elsewhere,      ///< needs a test of its own, which `companions` names
};

/// One line of a table. Arguments are words with blanks between; "@" stands for the folder of
/// OptionData.
struct OptionRow {
  std::string option;           ///< without its dashes
  std::string one, other;       ///< the two values, as arguments; "": the default
  std::string companions = {};  ///< arguments of both runs, with which the option matters
  Expect expect = Expect::other_weights;
};

/// Small files that a command reads: see option_table.cpp for their names.
class OptionData {
 public:
  OptionData();
  /// `text` in words, "@" replaced.
  std::vector<std::string> words(const std::string& text) const;
  std::string operator/(const std::string& name) const { return folder_ / name; }

 private:
  TemporaryFolder folder_;
};

/// What a command has left that options may change.
struct OptionResult {
  Outcome outcome;
  std::map<std::string, std::string> weights, state;  ///< bytes of the tensors of last.ckpt, of the model and the run
  nlohmann::json figures;                             ///< the document without measured times and places
};

/// Runs `command` (such as "bench train --json"; every row's begins with it) for each row and
/// checks what it expects. Where a run folder is written, `writes_run` says so: the command gets an
/// --out.
void check_options(const std::string& command, const std::vector<OptionRow>& rows, bool writes_run = false);

/// One row for each of the options --squeeze-ratio, --pct3x3, --base-e, --incr-e, --freq, which
/// change the shapes of the layers, and --pools, which does not.
std::vector<OptionRow> family_rows(const std::string& companions, Expect shapes, Expect pools);

/// Names of the options that the help of a command ("bench train") lists, without dashes.
std::set<std::string> options_in_help(const std::string& command);
/// Checks that the rows are about these options and no others.
void check_complete(const std::string& command, const std::vector<OptionRow>& rows);

}  // namespace kindling::testing
