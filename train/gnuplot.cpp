#include <kindling/train/gnuplot.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include <kindling/io/file_error.h>

extern char** environ;

namespace kindling {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// A file without a name, which goes away when it is closed.
File scratch_file() {
  File file(std::tmpfile(), std::fclose);
  if (!file) throw FileError("gnuplot: no temporary file can be made");
  return file;
}

std::string contents_of(std::FILE* file) {
  std::string text;
  char block[1 << 14];
  std::rewind(file);
  for (size_t got; (got = std::fread(block, 1, sizeof block, file)) > 0;) text.append(block, got);
  return text;
}

}  // namespace

const char kPlotStyle[] = R"(
set border 3 lc rgb '#606060'
set tics nomirror out scale 0.5 textcolor rgb '#404040'
set grid lc rgb '#e4e4e4' lw 1 lt 1
set key at graph 0, 1.02 left bottom Left reverse horizontal maxcols 3 samplen 1.5 textcolor rgb '#404040'
set style line 1 lc rgb '#bcd4ec' lw 1
set style line 2 lc rgb '#1f6fb5' lw 2 pt 7 ps 0.35
set style line 3 lc rgb '#d9541e' lw 2 pt 7 ps 0.35
set style line 4 lc rgb '#2f8f4e' lw 2 pt 7 ps 0.35
)";

std::string svg_head(int64_t width, int64_t height) {
  return "set terminal svg size " + std::to_string(width) + "," + std::to_string(height) +
         " font 'Helvetica,13' background '#ffffff'\n" + kPlotStyle;
}

// Files stand where pipes would: none can run full.
std::string run_gnuplot(const std::string& script) {
  const File input = scratch_file(), output = scratch_file(), errors = scratch_file();
  std::fwrite(script.data(), 1, script.size(), input.get());
  std::rewind(input.get());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(input.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(output.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(errors.get()), STDERR_FILENO);
  std::string name = "gnuplot";
  char* arguments[] = {name.data(), nullptr};
  pid_t process = 0;
  const int failure = posix_spawnp(&process, name.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw FileError("gnuplot cannot be run: is it installed (gnuplot-nox)?");

  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw FileError("gnuplot failed: " + contents_of(errors.get()));
  return contents_of(output.get());
}

}  // namespace kindling
