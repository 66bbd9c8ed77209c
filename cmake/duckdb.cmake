# DuckDB: the one that ./setup fetched, or one given by DUCKDB_ROOT (-D or environment).
# Library and header are checked here; the extensions when eider opens a lake.

set(DUCKDB_ROOT "$ENV{DUCKDB_ROOT}" CACHE PATH "folder with duckdb.h and libduckdb.so; empty: .deps/duckdb")
set(EIDER_EXTENSION_DIR "$ENV{EIDER_EXTENSION_DIR}" CACHE PATH "DuckDB's extension_directory; empty: .deps/extensions")
if(NOT EIDER_EXTENSION_DIR)
  set(EIDER_EXTENSION_DIR "${CMAKE_SOURCE_DIR}/.deps/extensions")
endif()

set(root "${DUCKDB_ROOT}")
if(NOT root)
  set(root "${CMAKE_SOURCE_DIR}/.deps/duckdb")
endif()
find_file(EIDER_DUCKDB_HEADER duckdb.h PATHS "${root}" "${root}/include" NO_DEFAULT_PATH NO_CACHE)
find_file(EIDER_DUCKDB_LIBRARY libduckdb.so PATHS "${root}" "${root}/lib" NO_DEFAULT_PATH NO_CACHE)
if(NOT EIDER_DUCKDB_HEADER OR NOT EIDER_DUCKDB_LIBRARY)
  message(FATAL_ERROR "No duckdb.h and libduckdb.so in ${root}. Run ./setup, or give -DDUCKDB_ROOT=DIR, "
    "a folder that holds both (or has them in include/ and lib/).")
endif()

add_library(duckdb::duckdb SHARED IMPORTED GLOBAL)
cmake_path(GET EIDER_DUCKDB_HEADER PARENT_PATH include)
set_target_properties(duckdb::duckdb PROPERTIES
  IMPORTED_LOCATION "${EIDER_DUCKDB_LIBRARY}"
  IMPORTED_SONAME libduckdb.so
  INTERFACE_INCLUDE_DIRECTORIES "${include}")

# The version, from the library's own mouth. Asked again only when another library or header stands there.
set(asked "")
foreach(file IN ITEMS "${EIDER_DUCKDB_LIBRARY}" "${EIDER_DUCKDB_HEADER}")
  file(SIZE "${file}" size)
  file(TIMESTAMP "${file}" time)
  string(APPEND asked "${file} ${size} ${time} ")
endforeach()
if(NOT asked STREQUAL EIDER_DUCKDB_ASKED)
  unset(EIDER_DUCKDB_EXIT CACHE)
  try_run(EIDER_DUCKDB_EXIT compiled "${CMAKE_BINARY_DIR}/duckdb_version"
    SOURCES "${CMAKE_SOURCE_DIR}/cmake/duckdb_version.cpp"
    LINK_LIBRARIES duckdb::duckdb
    COMPILE_OUTPUT_VARIABLE log RUN_OUTPUT_VARIABLE answer)
  if(NOT compiled OR NOT EIDER_DUCKDB_EXIT EQUAL 0)
    message(FATAL_ERROR "A program with ${EIDER_DUCKDB_HEADER} and ${EIDER_DUCKDB_LIBRARY} does not build or run: "
      "is the library of this machine's kind, and are both of one DuckDB version?\n${log}${answer}")
  endif()
  string(STRIP "${answer}" answer)
  set(EIDER_DUCKDB_FOUND "${answer}" CACHE INTERNAL "what libduckdb.so says of itself")
endif()

string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${EIDER_DUCKDB_FOUND}")
if(NOT version)
  message(FATAL_ERROR "${EIDER_DUCKDB_LIBRARY} calls itself '${EIDER_DUCKDB_FOUND}', which is no release of DuckDB. "
    "Give a release, 1.5.2 or later, as DUCKDB_ROOT.")
elseif(version VERSION_LESS 1.5.2)
  message(FATAL_ERROR "${EIDER_DUCKDB_LIBRARY} is DuckDB ${version}; eider needs 1.5.2 or later. "
    "Give a later one as DUCKDB_ROOT, or none: ./setup then fetches the one that eider is tested with.")
elseif(version VERSION_GREATER_EQUAL 2)
  message(WARNING "${EIDER_DUCKDB_LIBRARY} is DuckDB ${version}; eider is not tested with DuckDB 2.")
endif()

# The header carries no version. It is too new for the library when it declares what the library lacks;
# an older one is fine, DuckDB only adds to its C interface.
if(NOT asked STREQUAL EIDER_DUCKDB_ASKED)
  file(STRINGS "${EIDER_DUCKDB_HEADER}" declared REGEX "^DUCKDB_C_API .*duckdb_[a-z0-9_]+\\(")
  list(TRANSFORM declared REPLACE "^DUCKDB_C_API .*[ *](duckdb_[a-z0-9_]+)\\(.*" "\\1")
  execute_process(COMMAND ${CMAKE_NM} -D --defined-only "${EIDER_DUCKDB_LIBRARY}"
    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL " T duckdb_[a-z0-9_]+" exported "${symbols}")
  list(TRANSFORM exported REPLACE " T " "")
  list(REMOVE_ITEM declared ${exported})
  if(declared)
    list(LENGTH declared count)
    list(GET declared 0 first)
    message(FATAL_ERROR "duckdb.h and libduckdb.so do not belong together: ${EIDER_DUCKDB_HEADER} declares ${count} "
      "functions, ${first} the first, that ${EIDER_DUCKDB_LIBRARY} (DuckDB ${version}) does not have. "
      "Take both from one DuckDB release.")
  endif()
  set(EIDER_DUCKDB_ASKED "${asked}" CACHE INTERNAL "the library that was checked")
endif()
message(STATUS "DuckDB ${version}: ${EIDER_DUCKDB_LIBRARY}")

# The version that eider is tested with, for messages.
file(STRINGS "${CMAKE_SOURCE_DIR}/deps.lock" pin REGEX "^sdist +duckdb ")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" EIDER_DUCKDB_VERSION "${pin}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/deps.lock")
if(NOT DUCKDB_ROOT AND NOT version STREQUAL EIDER_DUCKDB_VERSION)
  message(FATAL_ERROR ".deps/duckdb holds DuckDB ${version}, deps.lock pins ${EIDER_DUCKDB_VERSION}. Run ./setup.")
endif()
