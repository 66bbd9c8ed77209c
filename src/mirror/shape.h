// What a source table looks like at one snapshot, and how its rows are read.
//
// Threads: values only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lake/rows.h"
#include "lake/type.h"
#include "postgres/connection.h"

namespace eider::mirror {

struct Column {
    int number = 0;  // pg_attribute.attnum: a renamed column is the same column
    std::string name;
    std::string source_type;  // as format_type writes it
    lake::Type type;          // in the lake
    lake::Encoding encoding = lake::Encoding::json;
    int key_place = 0;  // in the key, from 1; 0: not part of it

    bool operator==(const Column& other) const;  // what the lake can tell apart
};

struct Shape {
    std::uint32_t rel = 0;
    std::string schema;
    std::string name;
    bool is_partitioned = false;
    bool may_read = false;
    bool has_hashed_columns = false;
    std::string twin;        // an older table whose name differs only in case; empty: none (of those that were read)
    std::string filter;      // SQL over the row, named r; empty: all rows
    std::string storage;     // another one: rows were replaced without a trigger
    std::int64_t bytes = 0;  // estimated
    std::vector<Column> columns;

    std::string label() const { return schema + "." + name; }
    std::vector<std::size_t> key() const;  // places in `columns`, in the order of the key; empty: there is none
    std::vector<lake::RowColumn> row_columns() const;

    // SELECT of the columns, in the encodings of row_columns(). `where`: a condition on r; may be empty.
    std::string select(const std::string& where, const std::string& more_columns = {}) const;
};

// Reads the captured tables (of `rels` only, where given), by oid.
std::map<std::uint32_t, Shape> read_shapes(postgres::Connection& connection,
                                           const std::vector<std::uint32_t>* rels = nullptr);

}  // namespace eider::mirror
