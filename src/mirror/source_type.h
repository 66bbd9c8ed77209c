// Which type of the lake holds a type of the source. docs/types.md is the same table for people, and a test reads it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lake/type.h"

namespace eider::mirror {

struct SourceField;

// A type as pg_type has it.
struct SourceType {
    std::string schema;  // "pg_catalog", "public"
    std::string name;    // typname: "int4", "numeric", "citext", "_int4" for an array
    char kind = 'b';     // typtype: b base, c composite, d domain, e enum, r range, m multirange, p pseudo
    int modifier = -1;   // atttypmod (of a domain: that of the type below)
    // Of an array its element, of a domain what it is over, of a composite its fields.
    std::vector<SourceField> parts;
    bool is_array = false;
    int dimensions = 0;  // of an array: attndims, of a domain typndims; 0 where it was not declared
};

struct SourceField {
    std::string name;
    SourceType type;
};

// Every type has one: text or json where the lake has nothing of the kind. A list is read from an array, or from a string
// that holds one, which is how pgvector's types print.
lake::Type lake_type(const SourceType& type);

}  // namespace eider::mirror
