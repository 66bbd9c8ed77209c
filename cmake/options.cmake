# How every target of eider is compiled.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Assertions stay on in a release: an assertion that fails is a bug that must not reach the lake.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g")

set(EIDER_SANITIZE "" CACHE STRING "what -fsanitize= is given, for instance address,undefined")
set(EIDER_FUZZ OFF CACHE BOOL "build the fuzz targets (clang)")
set(EIDER_FUZZ_SECONDS 20 CACHE STRING "how long ctest runs each fuzz target")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

add_library(eider_options INTERFACE)
target_compile_options(eider_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  # Designated initializers that leave out the rest say what they mean.
  -Wno-missing-field-initializers
  -fstack-protector-strong
  # g++ 12 sees overlaps in std::string's operator+ that are not there (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(eider_options INTERFACE _GLIBCXX_ASSERTIONS)

if(EIDER_SANITIZE)
  target_compile_options(eider_options INTERFACE
    -fsanitize=${EIDER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(eider_options INTERFACE -fsanitize=${EIDER_SANITIZE})
endif()
if(EIDER_FUZZ)
  target_compile_options(eider_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
