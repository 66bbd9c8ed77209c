// Prints the version of the libduckdb.so that is linked; run by cmake/duckdb.cmake.
#include <cstdio>
#include <duckdb.h>

int main() {
    std::puts(duckdb_library_version());
}
