// Everything of models/.
#pragma once

#include <kindling/models/alexnet.h>
#include <kindling/models/definition.h>
#include <kindling/models/filters.h>
#include <kindling/models/fire.h>
#include <kindling/models/lenet.h>
#include <kindling/models/registry.h>
#include <kindling/models/squeezenet.h>
