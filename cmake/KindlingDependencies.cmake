# Every dependency is a Debian package; scripts/build installs them.
include(CMakeFindDependencyMacro)

# OpenBLAS, OpenMP flavour (libopenblas-openmp-dev). Its calls come from inside our own parallel loops, one thread each.
find_path(OPENBLAS_INCLUDE_DIR cblas.h
  HINTS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp PATH_SUFFIXES openblas-openmp REQUIRED)
find_library(OPENBLAS_LIBRARY openblas
  HINTS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp PATH_SUFFIXES openblas-openmp REQUIRED)
if(NOT TARGET kindling::openblas)
  add_library(kindling::openblas INTERFACE IMPORTED)
  target_include_directories(kindling::openblas INTERFACE ${OPENBLAS_INCLUDE_DIR})
  target_link_libraries(kindling::openblas INTERFACE ${OPENBLAS_LIBRARY})
endif()

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(nlohmann_json 3.11 REQUIRED)  # io, and the headers of train
find_package(Protobuf REQUIRED)            # io: Caffe's files; train: TensorBoard's event files
find_package(fmt REQUIRED)                 # train: progress on a terminal; cli
