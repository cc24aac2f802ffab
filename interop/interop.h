// Everything of interop/.
#pragma once

#include <kindling/interop/description.h>
#include <kindling/interop/names.h>
#include <kindling/interop/recognise.h>
#include <kindling/interop/weights.h>
