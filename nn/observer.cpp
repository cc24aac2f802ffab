#include <kindling/nn/observer.h>

#include <utility>

namespace kindling {
namespace {

thread_local CallObserver* innermost = nullptr;

}  // namespace

CallObserver::CallObserver(Callback callback) : callback_(std::move(callback)), outer_(innermost) { innermost = this; }

CallObserver::~CallObserver() { innermost = outer_; }

bool CallObserver::watching() { return innermost != nullptr; }

void CallObserver::tell(Module& module, const Variable& input, const Variable& output) {
  for (const CallObserver* observer = innermost; observer != nullptr; observer = observer->outer_)
    observer->callback_(module, *Scope::path(), input, output);
}

}  // namespace kindling
