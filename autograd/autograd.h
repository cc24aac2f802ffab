// Everything about gradients.
#pragma once

#include <kindling/autograd/checkpoint.h>
#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/graph.h>
#include <kindling/autograd/op_table.h>
#include <kindling/autograd/ops/ops.h>
#include <kindling/autograd/record.h>
#include <kindling/autograd/variable.h>
