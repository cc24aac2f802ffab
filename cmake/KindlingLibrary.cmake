# kindling_library(<folder> SOURCES a.cpp ... [DEPENDS folder ...] [PUBLIC lib ...] [PRIVATE lib ...])
# One static library per folder, kindling_<folder>, linked only to the folders it names.
function(kindling_library folder)
  cmake_parse_arguments(ARG "" "PRECOMPILED_AS" "SOURCES;DEPENDS;PUBLIC;PRIVATE;PRECOMPILE" ${ARGN})
  set(target kindling_${folder})
  add_library(${target} STATIC ${ARG_SOURCES})
  add_library(kindling::${folder} ALIAS ${target})
  kindling_warnings(${target})
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${folder} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  list(TRANSFORM ARG_DEPENDS PREPEND kindling_)
  target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  if(ARG_PRECOMPILED_AS)
    kindling_precompiled_as(${target} kindling_${ARG_PRECOMPILED_AS})
  else()
    kindling_precompile(${target} ${ARG_PRECOMPILE})
  endif()
endfunction()

# The headers that nearly every file of `target` includes, parsed once: half of the time to compile a file goes into them.
# Files still include what they use; -DKINDLING_PRECOMPILE=OFF shows where one does not.
function(kindling_precompile target)
  if(KINDLING_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE <algorithm> <cmath> <functional> <memory> <sstream> <string> <vector> ${ARGN})
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # for ccache
  endif()
endfunction()

# Takes them from `owner`, which has the same flags.
function(kindling_precompiled_as target owner)
  if(KINDLING_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${owner})
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()

function(kindling_warnings target)
  # -Wno-restrict: g++ 12 warns of std::string's own operator+ (GCC bug 105651).
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wno-restrict $<$<BOOL:${KINDLING_WERROR}>:-Werror>)
endfunction()

# For code that only calls what is fast: -O1 saves a third to a half of the time to compile it, -O0 a fifth more. It
# looks less far, so what it would say of uninitialised variables cannot be relied on.
function(kindling_quick_to_compile target)
  set(level ${ARGN} -O1)
  list(GET level 0 level)
  target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:${level};-Wno-maybe-uninitialized>")
endfunction()

# kindling::kindling: everything a program outside the tree links to.
function(kindling_umbrella)
  add_library(kindling INTERFACE)
  add_library(kindling::kindling ALIAS kindling)
  list(TRANSFORM ARGN PREPEND kindling_ OUTPUT_VARIABLE targets)
  target_link_libraries(kindling INTERFACE ${targets})
endfunction()
