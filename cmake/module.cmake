# One folder of src/ is one module: a static library that sees the headers of the modules it depends on,
# and no others.
#
#   eider_module(NAME [DEPENDS module...] [PUBLIC library...] [PRIVATE library...])
#
# src/NAME/*.cpp makes the library eider_NAME; src/NAME/*_test.cpp makes the program NAME_test, which ctest
# runs under the label `unit`; src/NAME/sql/*.sql is embedded. A folder that is not there yet is left out.
#
# A module's include root is a folder of its own that holds a single link, NAME -> src/NAME: so that
# "lake/engine.h" is found by those that depend on lake, and is no such file for all others.
function(eider_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;PUBLIC;PRIVATE")
  set(folder "${CMAKE_SOURCE_DIR}/src/${name}")
  if(NOT EXISTS "${folder}")
    return()
  endif()

  file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$|/main\\.cpp$")

  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/include/${name}" "${EIDER_GENERATED}/${name}")
  file(CREATE_LINK "${folder}" "${CMAKE_BINARY_DIR}/include/${name}/${name}" SYMBOLIC)

  if(NOT sources)  # headers only
    set(sources "${EIDER_GENERATED}/${name}/empty.cpp")
    file(TOUCH "${sources}")
  endif()
  add_library(eider_${name} STATIC ${sources})
  target_include_directories(eider_${name} PUBLIC
    "${CMAKE_BINARY_DIR}/include/${name}" "${EIDER_GENERATED}/${name}")
  target_link_libraries(eider_${name} PUBLIC ${arg_PUBLIC} PRIVATE eider_options ${arg_PRIVATE})
  foreach(other IN LISTS arg_DEPENDS)
    if(TARGET eider_${other})
      target_link_libraries(eider_${name} PUBLIC eider_${other})
    endif()
  endforeach()
  eider_embed_sql(${name})
  set_property(GLOBAL APPEND PROPERTY EIDER_MODULES eider_${name})

  if(tests)
    eider_test(${name}_test LABEL unit TIMEOUT 120 SOURCES ${tests} LIBRARIES eider_${name} ${arg_PRIVATE})
    add_dependencies(unit_tests ${name}_test)
  endif()
endfunction()

# A GoogleTest program and its entry in ctest: one for the program, not one for each test in it, so that the
# tests of a file can share a server and ctest starts at once. GTEST_FILTER chooses among them.
#
#   eider_test(NAME LABEL label TIMEOUT seconds SOURCES file... LIBRARIES library...)
function(eider_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;LIBRARIES")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE eider_options ${arg_LIBRARIES} GTest::gmock GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ENVIRONMENT
    "EIDER_BIN=${CMAKE_BINARY_DIR}/eider;EIDER_PYTHON=${CMAKE_SOURCE_DIR}/.deps/python/bin/python;EIDER_ROOT=${CMAKE_SOURCE_DIR}")
endfunction()
