// The `kindling` command.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <kindling/cli/program.h>

namespace {

/// Starts the program again, once, so that threads which wait for each other spin for some microseconds only, then
/// sleep. libgomp's own setting is to spin for milliseconds, which keeps the processor from the very thread that is
/// waited for as soon as anything else runs on the machine. Two processors, images/s at this setting, ten times it, and
/// without spinning: squeezenet_cifar with batch normalisation, training beside another program: 450, 245, 465;
/// squeezenet1_1, one image at a time on a quiet machine: 222, 226, 170. libgomp reads its settings before main(), so
/// they must be in the environment.
void spin_briefly_while_waiting(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", "1000", /*overwrite=*/1);
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) ::execv(program.c_str(), argv);  // if that fails, all works as before, if more slowly
}

}  // namespace

int main(int argc, char** argv) {
  using namespace kindling::cli;
  spin_briefly_while_waiting(argv);
  Program program;
  add_train(program);
  add_eval(program);
  add_info(program);
  add_gradcheck(program);
  add_bench(program);
  add_doctor(program);
  add_graph(program);
  return program.run(argc, argv);
}
