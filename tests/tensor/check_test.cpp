#include <kindling/tensor/check.h>

#include <thread>

#include <catch2/catch.hpp>

using namespace kindling;

namespace {

std::string message_of_failed_check() {
  try {
    check(false, "op", "sizes ", 3, " and ", 4.5, " differ");
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("check throws only if the condition does not hold, and names the operation") {
  CHECK_NOTHROW(check(true, "op", "never seen"));
  CHECK(message_of_failed_check() == "op: sizes 3 and 4.5 differ");
}

TEST_CASE("errors name the path of the scopes that they are thrown in") {
  const Scope outer("fire4");
  CHECK(message_of_failed_check() == "fire4: op: sizes 3 and 4.5 differ");
  {
    const Scope inner("expand3x3");
    CHECK(message_of_failed_check() == "fire4/expand3x3: op: sizes 3 and 4.5 differ");
    const Scope nameless("");
    CHECK(*Scope::path() == "fire4/expand3x3");
  }
  CHECK(*Scope::path() == "fire4");
}

TEST_CASE("a scope ends with the exception that leaves it") {
  try {
    const Scope scope("conv1");
    check(false, "op", "");
  } catch (const ShapeError&) {
    CHECK(*Scope::path() == "");
  }
}

TEST_CASE("equal paths are one string that stays, so that graph nodes can point to it") {
  const auto path_in_scope = [] {
    const Scope scope("fire2");
    return Scope::path();
  };
  const std::string* first = path_in_scope();
  CHECK(first == path_in_scope());
  CHECK(*first == "fire2");
}

TEST_CASE("scopes of one thread are not seen by others") {
  const Scope scope("main");
  std::string seen = "unset";
  std::thread([&] { seen = *Scope::path(); }).join();
  CHECK(seen == "");
}

TEST_CASE("AbsoluteScope replaces the path while it lives, and scopes nest in it") {
  const std::string* recorded = [] {
    const Scope a("net"), b("conv1");
    return Scope::path();
  }();
  const Scope scope("elsewhere");
  {
    const AbsoluteScope absolute(recorded);
    CHECK(Scope::path() == recorded);
    {
      const Scope inner("grad");
      CHECK(*Scope::path() == "net/conv1/grad");
      const AbsoluteScope back(recorded);
      CHECK(*Scope::path() == "net/conv1");
    }
    CHECK(Scope::path() == recorded);
  }
  CHECK(*Scope::path() == "elsewhere");
}
