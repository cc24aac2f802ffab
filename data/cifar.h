// CIFAR-10 in its binary version.
#pragma once

#include <string>

#include <kindling/data/dataset.h>

namespace kindling::data {

/// One file of 3073-byte records: the class (0..9), then 32x32 red, green and blue values, each
/// row-major. Inputs are u8 [32,32,3]. Throws FileError with the byte offset if a record is cut
/// short or a class is above 9.
DatasetPtr cifar10_file(const std::string& path);

/// data_batch_1.bin to data_batch_5.bin and test_batch.bin, in `path` or in its folder
/// cifar-10-batches-bin. All must be there. (Source of the data: Krizhevsky, "Learning multiple
/// layers of features from tiny images", 2009.)
Splits cifar10(const std::string& path, const HoldOut& hold_out = {});
/// The part test_batch.bin alone.
DatasetPtr cifar10_test(const std::string& path);

}  // namespace kindling::data
