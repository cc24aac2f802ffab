// The `kindling` command.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <kindling/cli/blas_core.h>
#include <kindling/cli/program.h>

namespace {

// What follows works by environment variables, which libgomp and OpenBLAS read before main(): the program sets them and
// starts itself again. As then they are set, that comes to an end.

/// Threads that wait for each other spin for a few microseconds only, then sleep. By default
/// libgomp spins for milliseconds. That takes the processor from the very thread that is waited
/// for, as soon as another program runs. True if the variable was not set.
///
/// Two processors, images/s with this setting, with ten times as much, and without spinning:
/// squeezenet_cifar with batch normalisation, training beside another program: 450, 245, 465;
/// squeezenet1_1, one image at a time on a quiet machine: 222, 226, 170.
bool spin_briefly_while_waiting() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return false;
  return ::setenv("GOMP_SPINCOUNT", "1000", /*overwrite=*/1) == 0;
}

/// Chooses OpenBLAS kernels for a processor that OpenBLAS does not know. SkylakeX does 38 GFLOP/s
/// where Prescott does 7 (one core of a Xeon of 2023). True if the variable has changed.
///
/// This is safe. The processor and the system are asked for the instructions that these kernels
/// need. OpenBLAS takes the same kernels on the models that it knows. `doctor` and the tests
/// compare their products with plain loops. And what the user has set stays.
bool choose_blas_kernels() {
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  const char* set = std::getenv(kVariable);
  if (set != nullptr && *set == '\0') return ::unsetenv(kVariable) == 0;  // OpenBLAS takes "" for the last in its list
  const char* better = set == nullptr ? kindling::cli::better_blas_core() : nullptr;
  return better != nullptr && ::setenv(kVariable, better, /*overwrite=*/1) == 0;
}

/// If that fails, everything works as before, but more slowly.
void start_again(char** argv) {
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) ::execv(program.c_str(), argv);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace kindling::cli;
  const bool spins = spin_briefly_while_waiting(), blas = choose_blas_kernels();
  if (spins || blas) start_again(argv);
  Program program;
  add_train(program);
  add_eval(program);
  add_classify(program);
  add_compress(program);
  add_convert(program);
  add_info(program);
  add_sweep(program);
  add_gradcheck(program);
  add_bench(program);
  add_doctor(program);
  add_graph(program);
  return program.run(argc, argv);
}
