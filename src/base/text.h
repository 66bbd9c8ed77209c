// Names, patterns and figures as text: the one quoting function, globs, suggestions, units.
//
// Guarantees: pure functions, no locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eider {

// `name` as a quoted SQL identifier; PostgreSQL and DuckDB share the rule (double each quote).
std::string quote_ident(std::string_view name);

// `text` as a standard SQL string literal. For PostgreSQL `standard_conforming_strings` must be on, which
// postgres::Connection sees to.
std::string quote_literal(std::string_view text);

// Replaces each `{{key}}` of a SQL template by its value, which the caller has quoted.
// Throws Error(internal) for a placeholder without a value.
struct TemplateValue {
    std::string_view key;
    std::string_view value;
};
std::string fill(std::string_view sql, std::vector<TemplateValue> values);

// Whether `name` matches `pattern`, where `*` stands for any run of bytes and `?` for one byte; case counts.
bool glob_matches(std::string_view pattern, std::string_view name);

// The candidate nearest to `word` (edit distance of at most a third of its length), or empty.
std::string closest(std::string_view word, const std::vector<std::string>& candidates);

// A connection string (URI or keyword form), or a message that quotes one, with every password replaced by `***`.
// In doubt more is masked than must be: a raw @ in the path of a URI is taken for the end of a password.
std::string redact(std::string_view connection_string);

// The same with every password left out: still a connection string.
std::string without_password(std::string_view connection_string);

// JSON with each escape of half a surrogate pair replaced by \ufffd, which is as long; nullopt where there is none, as
// nearly always. PostgreSQL's type json takes such escapes ("checked only for syntactic correctness", documentation,
// JSON Types), other readers do not.
std::optional<std::string> without_half_surrogates(std::string_view json);

// "3 events", "1 event", "12,345 events": a count with its noun, plural by adding an s.
std::string count_of(std::int64_t count, std::string_view noun);

// 1234567 -> "1,234,567".
std::string with_separators(std::int64_t number);

// 1536 -> "1.5 KiB".
std::string human_bytes(std::int64_t bytes);

// Seconds for a person: "0.012 s", "4.1 s", "3 min 20 s", "2 h 5 min".
std::string human_seconds(double seconds);

std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

}  // namespace eider
