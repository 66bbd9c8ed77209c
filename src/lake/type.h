// The types of a mirror's columns, and their values as PostgreSQL writes them.
//
// A value is read as JSON (to_json's text: what a captured row holds) and given to a Sink as what the lake stores.
// docs/types.md has the table of types; it is also what a test reads.
// Threads: all of it is free of state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eider::lake {

enum class TypeKind {
    boolean,
    int16,
    int32,
    int64,
    float32,
    float64,
    decimal,  // width, scale
    text,
    json,  // JSON text
    blob,
    date,         // days since 1970-01-01
    timestamp,    // microseconds since 1970-01-01, of no time zone
    timestamptz,  // the same, UTC
    time,         // microseconds since midnight
    interval,     // months, days, microseconds
    uuid,
    list,      // fields[0] is the element
    structure  // fields
};

struct TypeField;

struct Type {
    TypeKind kind = TypeKind::text;
    int width = 0;  // decimal: digits in all
    int scale = 0;  // decimal: digits after the point
    std::vector<TypeField> fields;

    std::string sql() const;  // as DuckDB writes it: "DECIMAL(38,10)", "BIGINT[]", "STRUCT(a INTEGER, b VARCHAR)"
    bool operator==(const Type&) const = default;
};

struct TypeField {
    std::string name;
    Type type;
    bool operator==(const TypeField&) const = default;
};

// Whether two fields have one name as DuckDB sees it, which ignores the case of a-z: no STRUCT can hold them.
bool has_same_names(const std::vector<TypeField>& fields);

// Whether DuckLake keeps values of `type` whole when it inlines them into a catalog in PostgreSQL. Not so STRUCTs, which
// lose quotes, backslashes and bytes there without a word or end DuckDB by an internal error, and not JSON[] (DuckLake of
// DuckDB 1.5.5, tried with data_inlining_row_limit 100; in files all of them come back).
bool can_be_inlined(const Type& type);

// The type that a user asked for: what `sql` returns, in any case of letters, and a few other names of the same types
// (TEXT, INT, TIMESTAMPTZ ...). nullopt: not one of ours. INTERVAL is not: Parquet files of DuckDB 1.5.5 hold no negative
// ones ("Parquet files do not support negative intervals") and quietly cut the others to 32 bits of milliseconds.
std::optional<Type> parse_type(std::string_view sql);

}  // namespace eider::lake
