# base/version.h: EIDER_VERSION, EIDER_COMMIT and EIDER_DUCKDB_VERSION as string literals.
# The commit is looked up at each build; the file is touched only when it changed.
#
# Included by CMakeLists.txt, and run as a script (cmake -P) by the target that it makes there.

if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND git -C "${SOURCE_DIR}" rev-parse --short=10 HEAD
    OUTPUT_VARIABLE EIDER_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE ignored)
  configure_file("${SOURCE_DIR}/cmake/version.h.in" "${HEADER}" @ONLY)
  return()
endif()

set(EIDER_GENERATED "${CMAKE_BINARY_DIR}/generated")
add_custom_target(eider_version
  COMMAND ${CMAKE_COMMAND}
    -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DHEADER=${EIDER_GENERATED}/base/base/version.h
    -DEIDER_VERSION=${PROJECT_VERSION} -DEIDER_DUCKDB_VERSION=${EIDER_DUCKDB_VERSION}
    -P ${CMAKE_SOURCE_DIR}/cmake/version.cmake
  BYPRODUCTS "${EIDER_GENERATED}/base/base/version.h"
  COMMENT "Looking up the commit")
