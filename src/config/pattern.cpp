#include "config/pattern.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace eider {
namespace {

[[noreturn]] void refuse(std::string_view pattern, std::string_view why, std::string hint) {
    throw Error(ErrorKind::config, fmt::format("the table pattern '{}' {}", pattern, why), std::move(hint));
}

std::string hint_for(char c) {
    if (c == '%') return "the wildcards are * and ?, not %";
    if (c == '!') return "put what is left out into `exclude` of [capture]";
    if (c == ',') return "one pattern each: [\"shop.orders\", \"shop.items\"]";
    return "patterns look like shop.orders or shop.*; quote other names as in SQL: \"my schema\".\"my table\"";
}

// PostgreSQL cuts longer names off (NAMEDATALEN), so a longer one never matches.
constexpr std::size_t name_bytes_max = 63;

}  // namespace

bool TablePattern::Part::matches(std::string_view name) const {
    return literal ? text == name : glob_matches(text, name);
}

bool TablePattern::matches(std::string_view schema, std::string_view table) const {
    return schema_.matches(schema) && table_.matches(table);
}

TablePattern::Part TablePattern::parse_part(std::string_view text, std::size_t& at, std::string_view whole) {
    Part part;
    if (at < text.size() && text[at] == '"') {
        for (++at; at < text.size(); ++at) {
            if (text[at] != '"') part.text += text[at];
            else if (at + 1 < text.size() && text[at + 1] == '"') part.text += text[++at];
            else break;
        }
        if (at >= text.size())
            refuse(whole, "has a quote that is not closed", "close it, and double a quote inside a name");
        ++at;
    } else {
        // Outside quotes only what PostgreSQL takes in a name without quotes: a stray bracket or blank is far
        // more often a mistake than a name.
        static constexpr std::string_view refused = " \t\r\n\"'`[]{}()!%,;:\\/|<>=+&^~@#";
        for (; at < text.size() && text[at] != '.'; ++at) {
            if (refused.find(text[at]) != std::string_view::npos) {
                refuse(whole, fmt::format("has a '{}' in it", text[at]), hint_for(text[at]));
            }
            if (text[at] == '*' || text[at] == '?') part.literal = false;
            part.text += text[at];
        }
    }
    if (part.text.empty()) refuse(whole, "has an empty name in it", hint_for('.'));
    if (part.text.find('\0') != std::string::npos) refuse(whole, "has a zero byte in it", {});
    if (part.literal && part.text.size() > name_bytes_max) {
        refuse(whole, "has a name of more than 63 bytes", "PostgreSQL cuts longer names off: give the first 63 bytes");
    }
    return part;
}

TablePattern TablePattern::parse(std::string_view text, std::string where) {
    const std::string_view whole = trim(text);
    TablePattern pattern;
    pattern.text_ = whole;
    pattern.where_ = std::move(where);
    if (whole.empty()) {
        throw Error(ErrorKind::config, "a table pattern is empty",
                    "name a table (shop.orders) or a schema's tables (shop.*)");
    }
    std::size_t at = 0;
    Part first = parse_part(whole, at, whole);
    if (at == whole.size()) {
        if (first.text == "*" && !first.literal) pattern.schema_ = first;
        else pattern.schema_.text = "public";
        pattern.table_ = std::move(first);
        return pattern;
    }
    if (whole[at] != '.') refuse(whole, "goes on after a closing quote", hint_for('.'));
    ++at;
    pattern.schema_ = std::move(first);
    pattern.table_ = parse_part(whole, at, whole);
    if (at != whole.size()) {
        refuse(whole, "has more than a schema and a table",
               "a pattern is schema.table, without the database; a name with a dot in it is quoted: \"a.b\".orders");
    }
    return pattern;
}

}  // namespace eider
