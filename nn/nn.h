// Everything of nn/.
#pragma once

#include <kindling/nn/chain.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/factored.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/freeze.h>
#include <kindling/nn/init.h>
#include <kindling/nn/layer_range.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/loss.h>
#include <kindling/nn/lsuv.h>
#include <kindling/nn/module.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/observer.h>
#include <kindling/nn/pool.h>
#include <kindling/nn/replace.h>
#include <kindling/nn/sequential.h>
#include <kindling/nn/summary.h>
