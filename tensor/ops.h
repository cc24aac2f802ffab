// All of tensor/: the array and the functions on it.
#pragma once

#include <kindling/tensor/conv.h>
#include <kindling/tensor/conv_patches.h>
#include <kindling/tensor/conv_pool.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/index.h>
#include <kindling/tensor/linear.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tensor/norm.h>
#include <kindling/tensor/out.h>
#include <kindling/tensor/pool.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tensor/softmax.h>
#include <kindling/tensor/svd.h>
#include <kindling/tensor/tensor.h>
