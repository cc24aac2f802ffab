// The `kindling` command.
#include <kindling/cli/program.h>

int main(int argc, char** argv) {
  using namespace kindling::cli;
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
