// All of Kindling.
#pragma once

#include <kindling/autograd/autograd.h>
#include <kindling/compress/compress.h>
#include <kindling/data/data.h>
#include <kindling/interop/interop.h>
#include <kindling/io/io.h>
#include <kindling/models/models.h>
#include <kindling/nn/nn.h>
#include <kindling/optim/optim.h>
#include <kindling/tensor/ops.h>
#include <kindling/train/train.h>
