// The targets of fuzzing: each calls one reader on bytes that may be anything. Built by libFuzzer (preset `fuzz`) they
// are run on millions of such bytes, in the ordinary tests on a few.
#pragma once

#include <string>
#include <string_view>

#include <kindling/tensor/check.h>

namespace kindling::fuzz {

/// Hands `bytes` to the reader. Returns whether it took them; false means that it threw FileError.
/// Everything else that it might throw is let through, and ends the program.
using Target = bool (*)(std::string_view bytes);

bool caffemodel(std::string_view bytes);
bool deep_compression(std::string_view bytes);
bool image(std::string_view bytes);
/// A file, or the tensors of one that is made here (see kndz.cpp).
bool kndz(std::string_view bytes);
bool npy(std::string_view bytes);
/// An archive, or the one array of an archive that is made here: else the checksum would refuse
/// nearly every change.
bool npz(std::string_view bytes);
bool prototxt(std::string_view bytes);
/// A file of either form, or the parts of an archive that is made here (see pytorch.cpp).
bool pytorch(std::string_view bytes);
/// Tensors of any names and shapes (see recognise.cpp).
bool recognise(std::string_view bytes);
bool safetensors(std::string_view bytes);
bool zip(std::string_view bytes);

/// Calls read(). Returns whether it threw no FileError.
template <class Read>
bool accepts(Read read) {
  try {
    read();
    return true;
  } catch (const FileError&) {
    return false;
  }
}

/// The path of a file in memory that holds `bytes`, until the next call.
std::string path_of(std::string_view bytes);

}  // namespace kindling::fuzz
