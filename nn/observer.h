// Looking on while a model runs.
#pragma once

#include <functional>
#include <string>

#include <kindling/nn/module.h>

namespace kindling {

/// While it lives, it is told of every call of a module in the thread that made it, when the call
/// returns: parts come before the module that they belong to. For summaries and for looking at
/// activations. It never changes how a model is run. Where two layers run in one pass (see Chain),
/// what lies between them is computed once more for the observer, apart from the model's graph.
class CallObserver {
 public:
  /// `path` is "fire2/squeeze", or "" for the model itself.
  using Callback =
      std::function<void(Module& module, const std::string& path, const Variable& input, const Variable& output)>;
  explicit CallObserver(Callback callback);
  ~CallObserver();
  CallObserver(const CallObserver&) = delete;
  CallObserver& operator=(const CallObserver&) = delete;

  /// Whether the calling thread has one.
  static bool watching();
  /// Tells the thread's observers of a call of `module`, whose path is Scope::path().
  static void tell(Module& module, const Variable& input, const Variable& output);

 private:
  Callback callback_;
  CallObserver* outer_;
};

}  // namespace kindling
