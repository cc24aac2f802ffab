// Everything of compress/.
#pragma once

#include <kindling/compress/agreement.h>
#include <kindling/compress/calibration.h>
#include <kindling/compress/curvature.h>
#include <kindling/compress/distillation.h>
#include <kindling/compress/factor.h>
#include <kindling/compress/filters.h>
#include <kindling/compress/fold_batch_norm.h>
#include <kindling/compress/grid_rounding.h>
#include <kindling/compress/kmeans.h>
#include <kindling/compress/layer_values.h>
#include <kindling/compress/pack.h>
#include <kindling/compress/prune.h>
#include <kindling/compress/rate_distortion.h>
#include <kindling/compress/rate_model.h>
#include <kindling/compress/sensitivity.h>
#include <kindling/compress/share.h>
#include <kindling/compress/uniform.h>
#include <kindling/compress/weight_layers.h>
