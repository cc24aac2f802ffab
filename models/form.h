// The two published forms of the same networks.
#pragma once

#include <cstdint>

namespace kindling {

/// Whose file a network follows where the two differ: padding, groups, initialisers, input size.
/// Pretrained weights need the form they were trained in.
enum class Form : uint8_t { torchvision, caffe };

}  // namespace kindling
