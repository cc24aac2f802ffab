// What an experiment consists of: commands of kindling, and the rows of the table that they fill.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kindling::cli {

using Words = std::vector<std::string>;

/// One command. The JSON that it prints is its result.
struct Task {
  std::string name;    ///< "train": its result is kept as RUN/train.json
  Words words = {};    ///< the command line, run in the folder of the sweep; without what changes no result
  double work = 0;     ///< how long it takes, beside other tasks
  int64_t epochs = 0;  ///< of `train`
};

/// Commands one after another, with one seed. `name` is the folder of the training.
struct RunPlan {
  std::string name;
  uint64_t seed = 0;
  std::vector<Task> tasks = {};
  bool alone = false;  ///< last, with nothing beside it: it measures time
};

/// Where a number comes from: the result of a task, in each of the runs.
struct Point {
  std::string name;                     ///< "simple bypass"
  std::vector<std::string> runs;        ///< one for each seed
  std::string task;                     ///< whose result has the accuracy and the bytes
  std::string ratio_to = {};            ///< name of the point whose bytes are 1; "": the first
  std::vector<std::string> paper = {};  ///< what the paper has: one text for each heading of the plan
};

struct Plan {
  std::vector<std::string> paper_headings = {};  ///< of Point::paper
  std::vector<RunPlan> runs = {};
  std::vector<Point> points = {};
};

/// What the experiments are made for.
struct Scale {
  std::string data;           ///< as --data takes it
  int64_t classes = 0;        ///< of it
  bool has_test = false;      ///< a part to measure on; else it is what training holds out
  bool has_val = false;       ///< a part of its own to validate on, which nothing here uses
  bool full = false;          ///< the paper's widths and all pictures
  int64_t epochs = 0;         ///< of each training
  int64_t retraining = 0;     ///< epochs after each step of a compression
  int64_t train_images = 0;   ///< 0: all
  std::string released = {};  ///< file of the authors' compressed network; "": none
  std::vector<uint64_t> seeds = {};
};

}  // namespace kindling::cli
