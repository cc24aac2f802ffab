// Says that there is too little address space, where OpenBLAS would hang.
#include <sys/mman.h>
#include <unistd.h>

#include <string_view>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they have calls of their own before all others
namespace {

/// OpenBLAS 0.3.21 takes two blocks of 128 MB when it is loaded, whatever the number of threads.
/// Where it gets none (ulimit -v 300000), it tries for ever. With the memory of other libraries and
/// the stacks of threads, it needs about 300 MB.
constexpr size_t kNeeded = (2 * 128 + 48) * (size_t{1} << 20);

/// Runs before the constructors of all libraries, so it calls the system alone.
void check_address_space(int, char**, char**) {
  void* block = ::mmap(nullptr, kNeeded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block != MAP_FAILED) {
    ::munmap(block, kNeeded);
    return;
  }
  constexpr std::string_view kMessage =
      "kindling: too little address space: OpenBLAS needs 300 MB of it to start (is there a limit, ulimit -v or -d?)\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(1);
}

__attribute__((section(".preinit_array"), used)) void (*const first_of_all)(int, char**, char**) = check_address_space;

}  // namespace
#endif
