// Everything of optim/.
#pragma once

#include <kindling/optim/adam.h>
#include <kindling/optim/gradients.h>
#include <kindling/optim/muon.h>
#include <kindling/optim/optimizer.h>
#include <kindling/optim/schedule.h>
#include <kindling/optim/sgd.h>
