#include <kindling/io/atomic_file.h>

#include <catch2/catch.hpp>

#include <kindling/tests/support/temporary_folder.h>
#include "file_size_limit.h"

using namespace kindling;

TEST_CASE("an atomic file appears at commit, whole") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.bin";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new ");
    file.write("contents");
    CHECK(read_file(path) == "old");
    file.commit();
    CHECK(read_file(path) == "new contents");
  }
  CHECK(folder.listing() == "a.bin");
}

TEST_CASE("an atomic file that is not committed leaves nothing behind") {
  const TemporaryFolder folder;
  { AtomicFile(folder / "a.bin").write("half"); }
  CHECK(folder.listing().empty());
}

TEST_CASE("two writers of one file do not mix") {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a"), second(folder / "a");
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  CHECK(read_file(folder / "a") == "first");
  CHECK(folder.listing() == "a");
}

TEST_CASE("a file that cannot be made names its path and the reason") {
  const TemporaryFolder folder;
  const std::string path = folder / "missing/a.bin";
  CHECK_THROWS_MATCHES(write_file(path, "x"), FileError,
                       Catch::Message(path + ": cannot be written: No such file or directory"));
  CHECK_THROWS_MATCHES(read_file(path), FileError,
                       Catch::Message(path + ": cannot be opened: No such file or directory"));
  CHECK_THROWS_MATCHES(read_file(folder.path()), FileError,
                       Catch::Message(folder.path() + ": cannot be read: Is a directory"));
}

TEST_CASE("a disk without space leaves the old file and nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.bin";
  write_file(path, "old");
  std::string message;
  {
    const FileSizeLimit limit(4096);
    try {
      write_file(path, std::string(100'000, 'x'));
    } catch (const FileError& error) {
      message = error.what();
    }
  }
  CHECK(message == path + ": cannot be written: File too large");
  CHECK(read_file(path) == "old");
  CHECK(folder.listing() == "a.bin");
}

TEST_CASE("a folder in the way is reported") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "a");
  std::filesystem::create_directory(folder / "a/b");
  CHECK_THROWS_MATCHES(write_file(folder / "a", "x"), FileError,
                       Catch::Message((folder / "a") + ": cannot be put in place: Is a directory"));
  CHECK(folder.listing() == "a");
}

TEST_CASE("what killed writers left is removed") {
  const TemporaryFolder folder;
  write_file(folder / "last.ckpt", "whole");
  write_file(folder / "last.ckpt.tmp-123-0", "half");
  remove_temporary_files(folder / "last.ckpt");
  CHECK(folder.listing() == "last.ckpt");
}

TEST_CASE("files that only look like what killed writers leave are kept") {
  const TemporaryFolder folder;
  for (const char* name : {"last.ckpt.tmp-important", "last.ckpt.tmp-1-2.txt", "last.ckpt.tmp--1", "last.ckpt.tmp-1-2x",
                           "last-ckpt.tmp-1-2", "my-last.ckpt.tmp-1-2", "notes.tmp-1-2"})
    write_file(folder / name, "mine");
  const std::string before = folder.listing();
  remove_temporary_files(folder / "last.ckpt");
  CHECK(folder.listing() == before);
}
