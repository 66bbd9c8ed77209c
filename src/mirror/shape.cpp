#include "mirror/shape.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mirror/source_type.h"
#include "mirror_sql.h"

namespace eider::mirror {
namespace {

using postgres::Connection;

std::string oid_array(const std::vector<std::uint32_t>& oids) {
    std::vector<std::string> texts;
    texts.reserve(oids.size());
    for (const auto oid : oids) texts.push_back(std::to_string(oid));
    return quote_literal("{" + join(texts, ",") + "}");
}

// pg_type in small: what the columns at hand are made of.
class Types {
public:
    Types(Connection& connection, const std::vector<std::uint32_t>& oids) {
        const auto rows = connection.query(fill(sql::read_types, {{"types", oid_array(oids)}}));
        for (int row = 0; row < rows.rows(); ++row) {
            known_[static_cast<std::uint32_t>(rows.unsigned_integer(row, 0))] = {
                .type = {.schema = rows.string(row, 1),
                         .name = rows.string(row, 2),
                         .kind = rows.text(row, 3)[0],
                         .is_array = rows.boolean(row, 4)},
                .element = static_cast<std::uint32_t>(rows.unsigned_integer(row, 5)),
                .base = static_cast<std::uint32_t>(rows.unsigned_integer(row, 6)),
                .base_modifier = static_cast<int>(rows.integer(row, 7)),
                .base_dimensions = static_cast<int>(rows.integer(row, 8)),
                .fields = nlohmann::json::parse(rows.text(row, 9))};
        }
    }

    SourceType get(std::uint32_t oid, int modifier, int dimensions) const {
        const Entry& entry = known_.at(oid);
        SourceType type = entry.type;
        type.modifier = modifier;
        type.dimensions = type.kind == 'd' ? entry.base_dimensions : dimensions;
        if (type.is_array) {
            type.parts.push_back({"", get(entry.element, modifier, 0)});
        } else if (type.kind == 'd') {
            type.parts.push_back({"", get(entry.base, entry.base_modifier, entry.base_dimensions)});
        }
        for (const auto& field : entry.fields) type.parts.push_back({field[0], get(field[1], field[2], field[3])});
        return type;
    }

private:
    struct Entry {
        SourceType type;
        std::uint32_t element = 0;
        std::uint32_t base = 0;
        int base_modifier = -1;
        int base_dimensions = 0;
        nlohmann::json fields;
    };
    std::map<std::uint32_t, Entry> known_;
};

// The types whose binary form vector_writer reads; of all others comes what to_json makes of them.
lake::Encoding encoding_of(SourceType type) {
    while (type.kind == 'd') type = SourceType(type.parts[0].type);
    static constexpr std::array binary{"bool",      "int2",        "int4", "int8", "float4", "float8",  "date",  "text",
                                       "timestamp", "timestamptz", "time", "uuid", "bytea",  "varchar", "bpchar"};
    const bool is_binary =
        type.schema == "pg_catalog" && std::find(binary.begin(), binary.end(), type.name) != binary.end();
    return is_binary ? lake::Encoding::binary : lake::Encoding::json;
}

// To DuckDB names that differ only in case (of ASCII letters) are one.
void name_twins(std::map<std::uint32_t, Shape>& shapes) {
    std::map<std::pair<std::string, std::string>, std::string> labels;
    const auto lower = [](std::string name) {
        for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        return name;
    };
    for (auto& [rel, shape] : shapes) {
        if (shape.key().empty()) continue;  // has no mirror anyway
        const auto [first, is_new] = labels.try_emplace({lower(shape.schema), lower(shape.name)}, shape.label());
        if (!is_new) shape.twin = first->second;
    }
}

}  // namespace

bool Column::operator==(const Column& other) const {
    return number == other.number && name == other.name && source_type == other.source_type && type == other.type &&
           key_place == other.key_place;
}

std::vector<std::size_t> Shape::key() const {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (columns[i].key_place > 0) places.push_back(i);
    }
    std::sort(places.begin(), places.end(),
              [&](auto a, auto b) { return columns[a].key_place < columns[b].key_place; });
    return places;
}

std::vector<lake::RowColumn> Shape::row_columns() const {
    std::vector<lake::RowColumn> row;
    row.reserve(columns.size());
    for (const auto& column : columns)
        row.push_back({.name = column.name, .type = column.type, .encoding = column.encoding});
    return row;
}

std::string Shape::select(const std::string& where, const std::string& more_columns) const {
    std::vector<std::string> cells;
    for (const auto& column : columns) {
        const std::string cell = "r." + quote_ident(column.name);
        cells.push_back(column.encoding == lake::Encoding::binary ? cell : "to_json(" + cell + ")");
    }
    if (!more_columns.empty()) cells.push_back(more_columns);
    std::vector<std::string> conditions;
    if (!filter.empty()) conditions.push_back("(" + filter + ")");
    if (!where.empty()) conditions.push_back(where);
    return fmt::format("SELECT {} FROM {} {}.{} AS r{}{}", join(cells, ", "), is_partitioned ? "" : "ONLY",
                       quote_ident(schema), quote_ident(name), conditions.empty() ? "" : " WHERE ",
                       join(conditions, " AND "));
}

std::map<std::uint32_t, Shape> read_shapes(Connection& connection, const std::vector<std::uint32_t>* rels) {
    const auto rows =
        connection.query(fill(sql::read_shapes, {{"rels", rels == nullptr ? std::string("NULL") : oid_array(*rels)}}));
    std::vector<std::uint32_t> type_oids;
    for (int row = 0; row < rows.rows(); ++row)
        type_oids.push_back(static_cast<std::uint32_t>(rows.unsigned_integer(row, 11)));
    std::sort(type_oids.begin(), type_oids.end());
    type_oids.erase(std::unique(type_oids.begin(), type_oids.end()), type_oids.end());
    const Types types(connection, type_oids);

    std::map<std::uint32_t, Shape> shapes;
    for (int row = 0; row < rows.rows(); ++row) {
        const auto rel = static_cast<std::uint32_t>(rows.unsigned_integer(row, 0));
        Shape& shape = shapes[rel];
        if (shape.columns.empty()) {
            shape = {.rel = rel,
                     .schema = rows.string(row, 1),
                     .name = rows.string(row, 2),
                     .is_partitioned = rows.text(row, 3) == "p",
                     .may_read = rows.boolean(row, 4),
                     .has_hashed_columns = rows.boolean(row, 6),
                     .filter = rows.string(row, 5),
                     .storage = rows.string(row, 7),
                     .bytes = rows.integer(row, 8),
                     .columns = {}};
        }
        const SourceType source =
            types.get(static_cast<std::uint32_t>(rows.unsigned_integer(row, 11)),
                      static_cast<int>(rows.integer(row, 12)), static_cast<int>(rows.integer(row, 15)));
        const int key_place = static_cast<int>(rows.integer(row, 14));
        const lake::Encoding encoding = encoding_of(source);
        lake::Type type = lake_type(source);
        // numeric without a precision: a DOUBLE takes several keys for one.
        if (key_place > 0 && type.kind == lake::TypeKind::float64 && encoding == lake::Encoding::json)
            type = {.kind = lake::TypeKind::text};
        shape.columns.push_back({.number = static_cast<int>(rows.integer(row, 9)),
                                 .name = rows.string(row, 10),
                                 .source_type = rows.string(row, 13),
                                 .type = type,
                                 .encoding = encoding,
                                 .key_place = key_place});
    }
    name_twins(shapes);
    return shapes;
}

}  // namespace eider::mirror
