// Writes single values into DuckDB's vectors, by the type of the column. For this folder only.
//
// A value that does not fit its type is never written as another one: `write` says so, and leaves NULL behind.
// Threads: one writer a vector.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <duckdb.h>

#include "lake/json_row.h"
#include "lake/type.h"

namespace eider::lake {

// DuckDB's type; the caller destroys it.
duckdb_logical_type make_logical_type(const Type& type);

void write_null(duckdb_vector vector, idx_t row, const Type& type);

// A value as PostgreSQL's to_json writes it. False: it does not fit.
bool write_json(duckdb_vector vector, idx_t row, const Type& type, const JsonValue& value);

// A value as PostgreSQL's binary format has it (pg_type.typsend), of the types for which `has_binary` is true.
bool write_binary(duckdb_vector vector, idx_t row, const Type& type, std::string_view bytes);
bool has_binary(TypeKind kind);

}  // namespace eider::lake
