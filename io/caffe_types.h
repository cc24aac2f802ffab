// The types of Caffe's layers in files of before 2015. Internal to io/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kindling::caffe {

/// The type of that number in an old .caffemodel: 4 is "Convolution". An unknown one is the number
/// itself.
std::string type_of_number(uint64_t number);
/// The type of that word in an old .prototxt: CONVOLUTION is "Convolution". An unknown one is the
/// word itself.
std::string type_of_word(std::string_view word);

}  // namespace kindling::caffe
