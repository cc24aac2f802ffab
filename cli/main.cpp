// The `kindling` command.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <kindling/cli/program.h>

namespace {

/// Starts the program again, once, so that threads which wait for each other sleep instead of spin. A thread that spins
/// keeps the processor from the one that it waits for as soon as anything else runs on the machine (an image loader is
/// enough): training a model with batch normalisation on 2 processors, one of them taken by another program, fell from
/// 420 images/s to 28. libgomp reads its settings before main(), so they must be in the environment.
void sleep_while_waiting(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  ::setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/1);
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) ::execv(program.c_str(), argv);  // if that fails, all works as before, if more slowly
}

}  // namespace

int main(int argc, char** argv) {
  using namespace kindling::cli;
  sleep_while_waiting(argv);
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
