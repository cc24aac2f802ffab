// All differentiable operations.
#pragma once

#include <kindling/autograd/ops/activation.h>
#include <kindling/autograd/ops/conv.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/index.h>
#include <kindling/autograd/ops/matmul.h>
#include <kindling/autograd/ops/norm.h>
#include <kindling/autograd/ops/pool.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/autograd/ops/softmax.h>
