// Everything of io/.
#pragma once

#include <kindling/io/atomic_file.h>
#include <kindling/io/caffe.h>
#include <kindling/io/checkpoint.h>
#include <kindling/io/coded_tensor.h>
#include <kindling/io/deep_compression.h>
#include <kindling/io/grid_rate.h>
#include <kindling/io/grid_shape.h>
#include <kindling/io/kndz.h>
#include <kindling/io/npy.h>
#include <kindling/io/pytorch.h>
#include <kindling/io/safetensors.h>
#include <kindling/io/tensor_file.h>
#include <kindling/io/weights.h>
