// The `kindling` command.
#include <cstdlib>

#include <unistd.h>

#include <kindling/cli/program.h>

namespace {

// Waiting threads of libgomp spin for milliseconds before they sleep. Alone on the machine that is quick; beside other
// programs it takes the processor from our own workers (seen: 32 images/s instead of 780 beside three compilers).
// libgomp reads its settings before main, so the command sets a short spin, some microseconds, and starts itself again,
// unless the user has chosen.
void limit_spinning(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0)
    execv("/proc/self/exe", argv);  // returns only if it fails: then as we are
}

}  // namespace

int main(int argc, char** argv) {
  using namespace kindling::cli;
  limit_spinning(argv);
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
