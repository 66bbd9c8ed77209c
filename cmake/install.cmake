# `cmake --install build/release --prefix DIR` makes a tree that can be moved and copied to another machine
# of the same kind (it needs libpq5 there):
#
#   bin/eider
#   lib/eider/    libduckdb.so, the other libraries that are not on every machine, and extensions/
#   share/doc/eider/

if(TARGET eider)
  set_target_properties(eider PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/eider")
  install(TARGETS eider
    RUNTIME_DEPENDENCIES
      PRE_INCLUDE_REGEXES "^lib(duckdb|fmt|spdlog|prometheus-cpp|civetweb)"
      PRE_EXCLUDE_REGEXES ".*"
    RUNTIME DESTINATION bin
    LIBRARY DESTINATION lib/eider)
endif()
install(DIRECTORY "${EIDER_EXTENSION_DIR}/" DESTINATION lib/eider/extensions FILES_MATCHING
  PATTERN "*/ducklake.duckdb_extension" PATTERN "*/postgres_scanner.duckdb_extension"
  PATTERN "*/httpfs.duckdb_extension" PATTERN "*/sqlite_scanner.duckdb_extension")
install(FILES LICENSE README.md DESTINATION share/doc/eider OPTIONAL)
