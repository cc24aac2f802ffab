// Everything in data/: datasets, transforms, the loader.
#pragma once

#include <kindling/data/cifar.h>
#include <kindling/data/dataset.h>
#include <kindling/data/folder.h>
#include <kindling/data/folder_record.h>
#include <kindling/data/image.h>
#include <kindling/data/loader.h>
#include <kindling/data/mnist.h>
#include <kindling/data/open.h>
#include <kindling/data/pictures.h>
#include <kindling/data/preprocessing.h>
#include <kindling/data/shapes.h>
#include <kindling/data/transforms.h>
