// Everything of train/.
#pragma once

#include <kindling/train/classifier.h>
#include <kindling/train/curves.h>
#include <kindling/train/description.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/features.h>
#include <kindling/train/loss.h>
#include <kindling/train/metrics.h>
#include <kindling/train/progress.h>
#include <kindling/train/run_folder.h>
#include <kindling/train/step.h>
#include <kindling/train/step_plan.h>
#include <kindling/train/tensorboard.h>
#include <kindling/train/terminal_progress.h>
#include <kindling/train/trainer.h>
