#include "lake/vector_writer.h"

#include <bit>
#include <limits>
#include <vector>

#include "base/text.h"
#include "lake/value.h"

namespace eider::lake {
namespace {

template <typename Value>
void set(duckdb_vector vector, idx_t row, Value value) {
    static_cast<Value*>(duckdb_vector_get_data(vector))[row] = value;
}

template <typename Value>
bool set_if(duckdb_vector vector, idx_t row, const std::optional<Value>& value) {
    if (value) set(vector, row, *value);
    return value.has_value();
}

template <typename Narrow>
bool set_integer(duckdb_vector vector, idx_t row, std::optional<std::int64_t> value) {
    if (!value || *value < std::numeric_limits<Narrow>::min() || *value > std::numeric_limits<Narrow>::max())
        return false;
    set(vector, row, static_cast<Narrow>(*value));
    return true;
}

duckdb_hugeint huge(Int128 value) {
    return {.lower = static_cast<std::uint64_t>(value), .upper = static_cast<std::int64_t>(value >> 64)};
}

// DuckDB keeps a decimal in the smallest integer that holds its width.
bool set_decimal(duckdb_vector vector, idx_t row, const Type& type, std::optional<Int128> value) {
    if (!value) return false;
    if (type.width <= 4) {
        set(vector, row, static_cast<std::int16_t>(*value));
    } else if (type.width <= 9) {
        set(vector, row, static_cast<std::int32_t>(*value));
    } else if (type.width <= 18) {
        set(vector, row, static_cast<std::int64_t>(*value));
    } else {
        set(vector, row, huge(*value));
    }
    return true;
}

bool set_text(duckdb_vector vector, idx_t row, std::string_view text) {
    if (duckdb_error_data bad = duckdb_valid_utf8_check(text.data(), text.size()); bad != nullptr) {
        duckdb_destroy_error_data(&bad);
        return false;
    }
    duckdb_unsafe_vector_assign_string_element_len(vector, row, text.data(), text.size());
    return true;
}

bool set_json_text(duckdb_vector vector, idx_t row, std::string_view text) {
    const auto mended = without_half_surrogates(text);
    return set_text(vector, row, mended ? std::string_view(*mended) : text);
}

bool set_blob(duckdb_vector vector, idx_t row, std::string_view bytes) {
    duckdb_unsafe_vector_assign_string_element_len(vector, row, bytes.data(), bytes.size());
    return true;
}

bool set_interval(duckdb_vector vector, idx_t row, const std::optional<Interval>& value) {
    if (value) set(vector, row, duckdb_interval{.months = value->months, .days = value->days, .micros = value->us});
    return value.has_value();
}

// DuckDB orders UUIDs as signed numbers: it stores them with the top bit flipped.
void set_uuid(duckdb_vector vector, idx_t row, const Uuid& uuid) {
    set(vector, row, duckdb_hugeint{.lower = uuid.low, .upper = static_cast<std::int64_t>(uuid.high ^ (1ULL << 63))});
}

bool write_list(duckdb_vector vector, idx_t row, const Type& type, std::string_view text) {
    std::vector<JsonValue> elements;
    if (!read_array(text, elements)) return false;
    const idx_t from = duckdb_list_vector_get_size(vector);
    const idx_t to = from + elements.size();
    if (duckdb_list_vector_reserve(vector, to) == DuckDBError || duckdb_list_vector_set_size(vector, to) == DuckDBError)
        return false;
    // After reserve: it may have moved the child's memory.
    const duckdb_vector child = duckdb_list_vector_get_child(vector);
    bool fits = true;
    for (idx_t i = 0; i < elements.size(); ++i)
        fits = write_json(child, from + i, type.fields[0].type, elements[i]) && fits;
    set(vector, row, duckdb_list_entry{.offset = from, .length = elements.size()});
    return fits;
}

bool write_structure(duckdb_vector vector, idx_t row, const Type& type, std::string_view text) {
    std::vector<JsonField> fields;
    if (!read_object(text, fields) || fields.size() != type.fields.size()) return false;
    bool fits = true;
    for (idx_t i = 0; i < fields.size(); ++i) {
        fits = write_json(duckdb_struct_vector_get_child(vector, i), row, type.fields[i].type, fields[i].value) && fits;
    }
    return fits;
}

// A scalar: its text, without quotes and escapes.
bool write_text_of(duckdb_vector vector, idx_t row, const Type& type, std::string_view text) {
    switch (type.kind) {
        case TypeKind::boolean: return set_if(vector, row, parse_boolean(text));
        case TypeKind::int16: return set_integer<std::int16_t>(vector, row, parse_integer(text));
        case TypeKind::int32: return set_integer<std::int32_t>(vector, row, parse_integer(text));
        case TypeKind::int64: return set_integer<std::int64_t>(vector, row, parse_integer(text));
        case TypeKind::float32: return set_if(vector, row, parse_float(text));
        case TypeKind::float64: return set_if(vector, row, parse_double(text));
        case TypeKind::decimal: return set_decimal(vector, row, type, parse_decimal(text, type.width, type.scale));
        case TypeKind::text: return set_text(vector, row, text);
        case TypeKind::date: return set_if(vector, row, parse_date(text));
        case TypeKind::timestamp: return set_if(vector, row, parse_timestamp(text));
        case TypeKind::timestamptz: return set_if(vector, row, parse_timestamptz(text));
        case TypeKind::time: return set_if(vector, row, parse_time(text));
        case TypeKind::interval: return set_interval(vector, row, parse_interval(text));
        case TypeKind::uuid: {
            const auto uuid = parse_uuid(text);
            if (uuid) set_uuid(vector, row, *uuid);
            return uuid.has_value();
        }
        case TypeKind::blob: {
            std::string bytes;
            return parse_bytea(text, bytes) && set_blob(vector, row, bytes);
        }
        case TypeKind::json:
        case TypeKind::list:
        case TypeKind::structure: return false;  // not scalars
    }
    return false;
}

bool write_value(duckdb_vector vector, idx_t row, const Type& type, const JsonValue& value) {
    if (type.kind == TypeKind::json) {
        if (value.kind != JsonKind::string) return set_json_text(vector, row, value.text);
        return set_json_text(vector, row,
                             std::string_view(value.text.data() - 1, value.text.size() + 2));  // with its quotes
    }
    if (type.kind == TypeKind::list) {
        // A string: pgvector writes its arrays so.
        const bool can_be = value.kind == JsonKind::nested || (value.kind == JsonKind::string && !value.has_escapes);
        return can_be && write_list(vector, row, type, value.text);
    }
    if (type.kind == TypeKind::structure)
        return value.kind == JsonKind::nested && write_structure(vector, row, type, value.text);
    if (value.kind == JsonKind::nested && type.kind != TypeKind::text) return false;
    if (!value.has_escapes) return write_text_of(vector, row, type, value.text);
    std::string plain;
    return unescape(value.text, plain) && write_text_of(vector, row, type, plain);
}

template <typename Unsigned>
Unsigned big_endian(std::string_view bytes, std::size_t at = 0) {
    Unsigned value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
        value = static_cast<Unsigned>((static_cast<std::uint64_t>(value) << 8U) |
                                      static_cast<unsigned char>(bytes[at + i]));
    }
    return value;
}

// PostgreSQL counts from 2000-01-01; the largest and smallest numbers are its infinities, DuckDB's are +-maximum.
constexpr std::int32_t epoch_days = 10'957;
constexpr std::int64_t epoch_us = 946'684'800'000'000;

std::optional<std::int32_t> days_of(std::int32_t days) {
    if (days == std::numeric_limits<std::int32_t>::max()) return days;
    if (days == std::numeric_limits<std::int32_t>::min()) return -std::numeric_limits<std::int32_t>::max();
    if (days > std::numeric_limits<std::int32_t>::max() - 1 - epoch_days) return std::nullopt;
    return days + epoch_days;
}

std::optional<std::int64_t> us_of(std::int64_t us) {
    if (us == std::numeric_limits<std::int64_t>::max()) return us;
    if (us == std::numeric_limits<std::int64_t>::min()) return -std::numeric_limits<std::int64_t>::max();
    if (us > std::numeric_limits<std::int64_t>::max() - 1 - epoch_us) return std::nullopt;
    return us + epoch_us;
}

std::size_t binary_size(TypeKind kind) {
    switch (kind) {
        case TypeKind::boolean: return 1;
        case TypeKind::int16: return 2;
        case TypeKind::int32:
        case TypeKind::float32:
        case TypeKind::date: return 4;
        case TypeKind::int64:
        case TypeKind::float64:
        case TypeKind::timestamp:
        case TypeKind::timestamptz:
        case TypeKind::time: return 8;
        case TypeKind::uuid:
        case TypeKind::interval: return 16;
        default: return 0;  // of any length
    }
}

bool write_bytes(duckdb_vector vector, idx_t row, const Type& type, std::string_view bytes) {
    switch (type.kind) {
        case TypeKind::boolean: set(vector, row, bytes[0] != 0); return true;
        case TypeKind::int16:
            set(vector, row, static_cast<std::int16_t>(big_endian<std::uint16_t>(bytes)));
            return true;
        case TypeKind::int32:
            set(vector, row, static_cast<std::int32_t>(big_endian<std::uint32_t>(bytes)));
            return true;
        case TypeKind::int64:
            set(vector, row, static_cast<std::int64_t>(big_endian<std::uint64_t>(bytes)));
            return true;
        case TypeKind::float32: set(vector, row, std::bit_cast<float>(big_endian<std::uint32_t>(bytes))); return true;
        case TypeKind::float64: set(vector, row, std::bit_cast<double>(big_endian<std::uint64_t>(bytes))); return true;
        case TypeKind::date:
            return set_if(vector, row, days_of(static_cast<std::int32_t>(big_endian<std::uint32_t>(bytes))));
        case TypeKind::timestamp:
        case TypeKind::timestamptz:
            return set_if(vector, row, us_of(static_cast<std::int64_t>(big_endian<std::uint64_t>(bytes))));
        case TypeKind::time: set(vector, row, static_cast<std::int64_t>(big_endian<std::uint64_t>(bytes))); return true;
        case TypeKind::interval:
            return set_interval(vector, row,
                                Interval{.months = static_cast<std::int32_t>(big_endian<std::uint32_t>(bytes, 12)),
                                         .days = static_cast<std::int32_t>(big_endian<std::uint32_t>(bytes, 8)),
                                         .us = static_cast<std::int64_t>(big_endian<std::uint64_t>(bytes))});
        case TypeKind::uuid:
            set_uuid(vector, row,
                     {.high = big_endian<std::uint64_t>(bytes), .low = big_endian<std::uint64_t>(bytes, 8)});
            return true;
        case TypeKind::text: return set_text(vector, row, bytes);
        case TypeKind::blob: return set_blob(vector, row, bytes);
        default: return false;
    }
}

duckdb_type duckdb_type_of(TypeKind kind) {
    switch (kind) {
        case TypeKind::boolean: return DUCKDB_TYPE_BOOLEAN;
        case TypeKind::int16: return DUCKDB_TYPE_SMALLINT;
        case TypeKind::int32: return DUCKDB_TYPE_INTEGER;
        case TypeKind::int64: return DUCKDB_TYPE_BIGINT;
        case TypeKind::float32: return DUCKDB_TYPE_FLOAT;
        case TypeKind::float64: return DUCKDB_TYPE_DOUBLE;
        case TypeKind::blob: return DUCKDB_TYPE_BLOB;
        case TypeKind::date: return DUCKDB_TYPE_DATE;
        case TypeKind::timestamp: return DUCKDB_TYPE_TIMESTAMP;
        case TypeKind::timestamptz: return DUCKDB_TYPE_TIMESTAMP_TZ;
        case TypeKind::time: return DUCKDB_TYPE_TIME;
        case TypeKind::interval: return DUCKDB_TYPE_INTERVAL;
        case TypeKind::uuid: return DUCKDB_TYPE_UUID;
        default: return DUCKDB_TYPE_VARCHAR;
    }
}

duckdb_logical_type make_structure(const Type& type) {
    std::vector<duckdb_logical_type> types;
    std::vector<const char*> names;
    for (const auto& field : type.fields) {
        types.push_back(make_logical_type(field.type));
        names.push_back(field.name.c_str());
    }
    duckdb_logical_type made = duckdb_create_struct_type(types.data(), names.data(), types.size());
    for (auto& part : types) duckdb_destroy_logical_type(&part);
    return made;
}

}  // namespace

duckdb_logical_type make_logical_type(const Type& type) {
    if (type.kind == TypeKind::structure) return make_structure(type);
    if (type.kind == TypeKind::decimal)
        return duckdb_create_decimal_type(static_cast<std::uint8_t>(type.width), static_cast<std::uint8_t>(type.scale));
    if (type.kind == TypeKind::list) {
        duckdb_logical_type element = make_logical_type(type.fields[0].type);
        duckdb_logical_type made = duckdb_create_list_type(element);
        duckdb_destroy_logical_type(&element);
        return made;
    }
    duckdb_logical_type made = duckdb_create_logical_type(duckdb_type_of(type.kind));
    // JSON is VARCHAR under another name; the alias spares a cast that would parse every document.
    if (type.kind == TypeKind::json) duckdb_logical_type_set_alias(made, "JSON");
    return made;
}

void write_null(duckdb_vector vector, idx_t row, const Type& type) {
    duckdb_vector_ensure_validity_writable(vector);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
    if (type.kind == TypeKind::list)
        set(vector, row, duckdb_list_entry{.offset = duckdb_list_vector_get_size(vector), .length = 0});
    if (type.kind != TypeKind::structure) return;
    // The fields of a structure that is NULL are NULL, too: DuckDB relies on it.
    for (idx_t i = 0; i < type.fields.size(); ++i)
        write_null(duckdb_struct_vector_get_child(vector, i), row, type.fields[i].type);
}

bool write_json(duckdb_vector vector, idx_t row, const Type& type, const JsonValue& value) {
    if (value.kind == JsonKind::null) {
        write_null(vector, row, type);
        return true;
    }
    if (write_value(vector, row, type, value)) return true;
    write_null(vector, row, type);
    return false;
}

bool has_binary(TypeKind kind) {
    return binary_size(kind) > 0 || kind == TypeKind::text || kind == TypeKind::blob;
}

bool write_binary(duckdb_vector vector, idx_t row, const Type& type, std::string_view bytes) {
    const std::size_t size = binary_size(type.kind);
    if ((size == 0 || bytes.size() == size) && write_bytes(vector, row, type, bytes)) return true;
    write_null(vector, row, type);
    return false;
}

}  // namespace eider::lake
