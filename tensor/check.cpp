#include <kindling/tensor/check.h>

#include <mutex>
#include <sstream>
#include <unordered_set>

namespace kindling {
namespace {

thread_local std::string current_path;
thread_local const std::string* interned_path = nullptr;  // null: current_path has changed since it was last interned

// Graph nodes keep a pointer to their path; there are as many different paths as a program's models have layers.
const std::string* intern(const std::string& path) {
  static std::mutex mutex;
  static auto* paths = new std::unordered_set<std::string>;  // never destroyed: nodes may outlive static objects
  const std::lock_guard lock(mutex);
  return &*paths->insert(path).first;
}

}  // namespace

Scope::Scope(std::string_view name) : parent_length_(current_path.size()) {
  if (name.empty()) return;
  if (!current_path.empty()) current_path += '/';
  current_path += name;
  interned_path = nullptr;
}

Scope::~Scope() {
  if (current_path.size() != parent_length_) interned_path = nullptr;
  current_path.resize(parent_length_);
}

const std::string* Scope::path() {
  if (interned_path == nullptr) interned_path = intern(current_path);
  return interned_path;
}

AbsoluteScope::AbsoluteScope(const std::string* path) : before_(Scope::path()) {
  if (path == before_) return;
  current_path = *path;
  interned_path = path;
}

AbsoluteScope::~AbsoluteScope() {
  if (Scope::path() == before_) return;
  current_path = *before_;
  interned_path = before_;
}

namespace detail {

void Part::stream_to(std::ostream& out) const {
  if (kind_ == Kind::text) out << text_;
  if (kind_ == Kind::real) out << real_;
  if (kind_ == Kind::integer) out << integer_;
  if (kind_ == Kind::object) stream_(out, object_);
}

std::string message(const std::string& path, const char* op, std::initializer_list<Part> parts) {
  std::ostringstream text;
  if (!path.empty()) text << path << ": ";
  text << op << ": ";
  for (const Part& part : parts) part.stream_to(text);
  return text.str();
}

void throw_shape_error(const char* op, std::initializer_list<Part> parts) {
  throw ShapeError(message(*Scope::path(), op, parts));
}

}  // namespace detail

}  // namespace kindling
