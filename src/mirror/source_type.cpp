#include "mirror/source_type.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace eider::mirror {
namespace {

using lake::Type;
using lake::TypeKind;

constexpr int decimal_width_max = 38;

struct KnownType {
    std::string_view name;
    TypeKind kind;
};

// Those of pg_catalog that are not text in the lake.
constexpr std::array built_in{
    KnownType{"bool", TypeKind::boolean},
    KnownType{"int2", TypeKind::int16},
    KnownType{"int4", TypeKind::int32},
    KnownType{"int8", TypeKind::int64},
    KnownType{"oid", TypeKind::int64},
    KnownType{"float4", TypeKind::float32},
    KnownType{"float8", TypeKind::float64},
    KnownType{"json", TypeKind::json},
    KnownType{"jsonb", TypeKind::json},
    KnownType{"bytea", TypeKind::blob},
    KnownType{"date", TypeKind::date},
    KnownType{"timestamp", TypeKind::timestamp},
    KnownType{"timestamptz", TypeKind::timestamptz},
    KnownType{"time", TypeKind::time},
    KnownType{"uuid", TypeKind::uuid},
};

// Those of extensions, in whatever schema: only a superuser can make a base type, and none makes a second one of these.
// hstore and PostGIS have casts to json, which to_json uses.
constexpr std::array extension_json{std::string_view("hstore"), std::string_view("geometry")};
constexpr std::array extension_floats{std::string_view("vector"), std::string_view("halfvec")};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// DuckLake ends DuckDB by an internal error when it inlines a JSON[], see lake::can_be_inlined; the array's own text is
// as good.
Type list_of(Type element) {
    if (element.kind == TypeKind::json) return element;
    Type list{TypeKind::list};
    list.fields.push_back({"", std::move(element)});
    return list;
}

// The modifier holds precision and scale (numerictypmodin in numeric.c). PostgreSQL 15 and later take a scale below zero,
// which rounds to tens, hundreds ..., and one above the precision, which leaves the first digits after the point zero.
Type numeric_type(int modifier) {
    constexpr int header = 4;
    if (modifier < header) return {TypeKind::float64};
    const int precision = ((modifier - header) >> 16) & 0xFFFF;
    const int scale = (((modifier - header) & 0x7FF) ^ 0x400) - 0x400;
    const int width = scale < 0 ? precision - scale : std::max(precision, scale);
    if (width > decimal_width_max) return {TypeKind::text};
    return {TypeKind::decimal, width, std::max(scale, 0)};
}

Type base_type(const SourceType& type) {
    if (type.schema != "pg_catalog") {
        if (contains(extension_json, type.name)) return {TypeKind::json};
        if (contains(extension_floats, type.name)) return list_of({TypeKind::float32});
        return {TypeKind::text};
    }
    if (type.name == "numeric") return numeric_type(type.modifier);
    // To to_json they are arrays, although most catalogs' readers know them as types of their own.
    if (type.name == "int2vector") return list_of({TypeKind::int16});
    if (type.name == "oidvector") return list_of({TypeKind::int64});
    const auto found =
        std::find_if(built_in.begin(), built_in.end(), [&](const KnownType& k) { return k.name == type.name; });
    return {found == built_in.end() ? TypeKind::text : found->kind};
}

// What `type` is made of; the modifier of numeric(10,2)[] is known of the array, that of a domain of the domain.
SourceType part_of(const SourceType& type) {
    SourceType part = type.parts.at(0).type;
    if (part.modifier < 0) part.modifier = type.modifier;
    if (part.is_array && part.dimensions == 0) part.dimensions = type.dimensions;
    return part;
}

Type natural_type(const SourceType& type);

Type array_type(const SourceType& type) {
    Type result = list_of(natural_type(part_of(type)));
    for (int i = 1; i < type.dimensions; ++i) result = list_of(std::move(result));
    return result;
}

Type composite_type(const SourceType& type) {
    Type result{TypeKind::structure};
    for (const SourceField& part : type.parts) result.fields.push_back({part.name, natural_type(part.type)});
    // A STRUCT has a field, and no two that differ only in case.
    if (result.fields.empty() || lake::has_same_names(result.fields)) return {TypeKind::json};
    return result;
}

Type natural_type(const SourceType& type) {
    if (type.is_array && !type.parts.empty()) return array_type(type);
    switch (type.kind) {
        case 'c': return composite_type(type);
        case 'd': return type.parts.empty() ? Type{TypeKind::text} : natural_type(part_of(type));
        case 'b': return base_type(type);
        default: return {TypeKind::text};  // enums, ranges, multiranges
    }
}

}  // namespace

lake::Type lake_type(const SourceType& type) {
    Type natural = natural_type(type);
    // Small batches of a mirror stand in the catalog, where DuckLake damages some types.
    return lake::can_be_inlined(natural) ? natural : Type{TypeKind::json};
}

}  // namespace eider::mirror
