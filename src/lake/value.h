// PostgreSQL's text of single values -> what the lake stores. nullopt: does not fit the type; never a wrong value.
//
// The text is that of to_json under the settings of audit.capture(): DateStyle ISO, TimeZone UTC, IntervalStyle as there,
// extra_float_digits 3, bytea_output hex.
// Threads: free of state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace eider::lake {

__extension__ typedef __int128 Int128;  // no type of ISO C++

struct Interval {
    std::int32_t months = 0;
    std::int32_t days = 0;
    std::int64_t us = 0;
    bool operator==(const Interval&) const = default;
};

struct Uuid {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const Uuid&) const = default;
};

std::optional<bool> parse_boolean(std::string_view text);          // true, false
std::optional<std::int64_t> parse_integer(std::string_view text);  // of 64 bits; callers check narrower ones
std::optional<double> parse_double(
    std::string_view text);  // also NaN, Infinity, -Infinity; -0; never rounds to infinity
std::optional<float> parse_float(std::string_view text);
// The number times 10^scale. Digits that do not fit (width), or that would be cut off (scale), are refused.
std::optional<Int128> parse_decimal(std::string_view text, int width, int scale);
std::optional<std::int32_t> parse_date(std::string_view text);         // days; "0044-03-15 BC"; infinity: DuckDB's
std::optional<std::int64_t> parse_timestamp(std::string_view text);    // microseconds; T or blank between; no zone
std::optional<std::int64_t> parse_timestamptz(std::string_view text);  // with zone +00, +00:00, +05:30, -12:34:56
std::optional<std::int64_t> parse_time(std::string_view text);         // "24:00:00" is midnight at the end
std::optional<Interval> parse_interval(std::string_view text);         // of the IntervalStyle that capture sets
std::optional<Uuid> parse_uuid(std::string_view text);
bool parse_bytea(std::string_view text, std::string& out);  // "\x6869" (in JSON "\\x6869")

}  // namespace eider::lake
