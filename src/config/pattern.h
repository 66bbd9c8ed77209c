// A table pattern, as it stands in `capture.tables`, `capture.exclude` and the `match` of a [[table]] rule.
//
//   shop.orders      one table
//   shop.*           every table of a schema; `*` is any run of characters, `?` one character
//   orders           the same as public.orders
//   *                the same as *.*: every table
//   "a.b"."x*y"      quoted as in SQL: taken literally, dots and stars too
//
// Guarantees: a parsed pattern is well formed. Threads: values only.
#pragma once

#include <string>
#include <string_view>

namespace eider {

class TablePattern {
public:
    // Throws Error(config) whose message does not yet say where the pattern stands; the caller knows that.
    static TablePattern parse(std::string_view text, std::string where = {});

    bool matches(std::string_view schema, std::string_view table) const;

    // Whether it names a single table. Such a table must exist; a pattern with wildcards may match nothing.
    bool is_exact() const { return schema_.literal && table_.literal; }

    // Names of an exact pattern; globs otherwise.
    const std::string& schema() const { return schema_.text; }
    const std::string& table() const { return table_.text; }

    const std::string& text() const { return text_; }    // as written
    const std::string& where() const { return where_; }  // "eider.toml:12", "EIDER_TABLES", "--tables"

    bool operator==(const TablePattern& other) const { return schema_ == other.schema_ && table_ == other.table_; }

private:
    struct Part {
        std::string text;
        bool literal = true;  // no wildcard in it
        bool matches(std::string_view name) const;
        bool operator==(const Part&) const = default;
    };
    static Part parse_part(std::string_view text, std::size_t& at, std::string_view whole);

    Part schema_;
    Part table_;
    std::string text_;
    std::string where_;
};

}  // namespace eider
