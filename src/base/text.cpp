#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/error.h"

namespace eider {
namespace {

std::string quoted(std::string_view text, char quote) {
    std::string out;
    out.reserve(text.size() + 2);
    out += quote;
    for (const char c : text) {
        if (c == quote) out += quote;
        out += c;
    }
    out += quote;
    return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
        }
    }
    return row[b.size()];
}

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// A password of a connection string: the bytes to mask, and those to leave out for a string without it.
struct Secret {
    std::size_t value;
    std::size_t value_end;
    std::size_t start;
    std::size_t end;
};

// Where the query of a URI begins: at a '?' that a keyword (of four letters at least: host, port, user ...) and '='
// follow; another '?' may be a password's.
std::size_t query_of(std::string_view text, std::size_t from, std::size_t end) {
    for (std::size_t mark = text.find('?', from); mark < end; mark = text.find('?', mark + 1)) {
        const std::size_t after = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", mark + 1), end);
        if (after > mark + 4 && after < end && text[after] == '=') return mark;
    }
    return end;
}

// The passwords of the URI whose authority begins at `authority`. libpq ends the credentials at the first '@' before
// any '/' (fe-connect.c, conninfo_uri_parse_options); a password whose @ or / nobody percent-encoded is no less
// secret, so here they end at the last '@' before the query.
void find_in_uri(std::string_view text, std::size_t authority, std::size_t end, std::vector<Secret>& secrets) {
    const std::size_t first = text.find_first_of("@/", authority);
    const bool sure = first < end && text[first] == '@';
    const std::size_t query = query_of(text, sure ? first : authority, end);
    const std::size_t at = text.substr(0, query).rfind('@');
    const std::size_t colon = text.find(':', authority);
    if (at != std::string_view::npos && at > authority && colon < at) secrets.push_back({colon + 1, at, colon, at});

    bool is_first = true;  // among those that stay
    for (std::size_t parameter = query + 1; parameter < end;) {
        const std::size_t next = std::min(text.find('&', parameter), end);
        const std::size_t equals = std::min(text.find('=', parameter), next);
        const std::string_view key = text.substr(parameter, equals - parameter);
        if (key == "password" || key == "sslpassword") {
            secrets.push_back({std::min(equals + 1, next), next, is_first ? parameter : parameter - 1,
                               is_first ? std::min(next + 1, end) : next});
        } else {
            is_first = false;
        }
        parameter = next + 1;
    }
}

// The end of the value that starts at `start` in the keyword form (fe-connect.c, conninfo_parse).
std::size_t end_of_value(std::string_view text, std::size_t start) {
    const bool is_quoted = start < text.size() && text[start] == '\'';
    for (std::size_t i = start + (is_quoted ? 1 : 0); i < text.size(); ++i) {
        if (text[i] == '\\') ++i;
        else if (is_quoted && text[i] == '\'') return i + 1;
        else if (!is_quoted && is_space(text[i])) return i;
    }
    return text.size();
}

void find_in_keywords(std::string_view text, std::vector<Secret>& secrets) {
    constexpr std::string_view key = "password";
    const auto skip_spaces = [&](std::size_t i) {
        while (i < text.size() && is_space(text[i])) ++i;
        return i;
    };
    for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at)) {
        const std::size_t start = text.substr(0, at).ends_with("ssl") ? at - 3 : at;
        at = skip_spaces(at + key.size());
        if (at >= text.size() || text[at] != '=') continue;
        const std::size_t value = skip_spaces(at + 1);
        at = end_of_value(text, value);
        secrets.push_back({value, at, start, skip_spaces(at)});
    }
}

// The passwords in `text`: a connection string, or a message that quotes one. In the order of their places.
std::vector<Secret> secrets_of(std::string_view text) {
    std::vector<Secret> secrets;
    for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
        if (!text.starts_with(scheme)) continue;
        find_in_uri(text, scheme.size(), text.size(), secrets);
        return secrets;
    }
    find_in_keywords(text, secrets);
    for (std::size_t scheme = text.find("://"); scheme != std::string_view::npos;
         scheme = text.find("://", scheme + 3)) {
        const std::size_t authority = scheme + 3;
        const auto end = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(authority), text.end(), is_space);
        find_in_uri(text, authority, static_cast<std::size_t>(end - text.begin()), secrets);
    }
    std::stable_sort(secrets.begin(), secrets.end(),
                     [](const Secret& a, const Secret& b) { return a.start < b.start; });
    return secrets;
}

// The code unit that the escape at `at` stands for, 0 where there is no \uXXXX.
unsigned escaped_unit(std::string_view json, std::size_t at) {
    unsigned unit = 0;
    if (json.size() < at + 6 || json[at] != '\\' || json[at + 1] != 'u') return 0;
    const auto [end, error] = std::from_chars(json.data() + at + 2, json.data() + at + 6, unit, 16);
    return error == std::errc{} && end == json.data() + at + 6 ? unit : 0;
}

}  // namespace

std::string quote_ident(std::string_view name) {
    return quoted(name, '"');
}

std::string quote_literal(std::string_view text) {
    return quoted(text, '\'');
}

std::string fill(std::string_view sql, std::vector<TemplateValue> values) {
    std::string out;
    std::size_t at = 0;
    while (true) {
        const std::size_t open = sql.find("{{", at);
        out += sql.substr(at, open - at);
        if (open == std::string_view::npos) return out;
        const std::size_t close = sql.find("}}", open);
        const std::string_view key = sql.substr(open + 2, close - open - 2);
        const auto found =
            std::find_if(values.begin(), values.end(), [&](const TemplateValue& v) { return v.key == key; });
        if (close == std::string_view::npos || found == values.end()) {
            throw Error(ErrorKind::internal,
                        fmt::format("no value for the placeholder {{{{{}}}}} of a SQL template", key));
        }
        out += found->value;
        at = close + 2;
    }
}

bool glob_matches(std::string_view pattern, std::string_view name) {
    std::size_t p = 0;
    std::size_t n = 0;
    std::size_t star = std::string_view::npos;
    std::size_t star_name = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_name = n;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
            ++p;
            ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++star_name;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string closest(std::string_view word, const std::vector<std::string>& candidates) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string redact(std::string_view text) {
    std::string out;
    std::size_t at = 0;
    for (const Secret& secret : secrets_of(text)) {
        if (secret.value < at) {  // inside the one before
            at = std::max(at, secret.value_end);
            continue;
        }
        out += text.substr(at, secret.value - at);
        out += "***";
        at = secret.value_end;
    }
    return out += text.substr(at);
}

std::string without_password(std::string_view text) {
    std::string out;
    std::size_t at = 0;
    for (const Secret& secret : secrets_of(text)) {
        if (secret.start > at) out += text.substr(at, secret.start - at);
        at = std::max(at, secret.end);
    }
    out += text.substr(at);
    return std::string(trim(out));
}

std::optional<std::string> without_half_surrogates(std::string_view json) {
    std::optional<std::string> out;
    for (std::size_t at = json.find('\\'); at != std::string_view::npos; at = json.find('\\', at)) {
        const unsigned unit = escaped_unit(json, at);
        if (unit < 0xD800 || unit > 0xDFFF) {
            at += 2;
        } else if (unit < 0xDC00 && escaped_unit(json, at + 6) >= 0xDC00 && escaped_unit(json, at + 6) <= 0xDFFF) {
            at += 12;
        } else {
            if (!out) out = json;
            out->replace(at, 6, "\\ufffd");
            at += 6;
        }
    }
    return out;
}

std::string with_separators(std::int64_t number) {
    std::string digits = std::to_string(number);
    const std::size_t first = number < 0 ? 1 : 0;
    for (std::size_t at = digits.size(); at > first + 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

std::string count_of(std::int64_t count, std::string_view noun) {
    return fmt::format("{} {}{}", with_separators(count), noun, count == 1 ? "" : "s");
}

std::string human_bytes(std::int64_t bytes) {
    static constexpr std::array units{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (std::fabs(value) >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    if (unit == 0) return fmt::format("{} bytes", bytes);
    return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string human_seconds(double seconds) {
    if (seconds < 1) return fmt::format("{:.3f} s", seconds);
    if (seconds < 60) return fmt::format("{:.1f} s", seconds);
    const auto whole = static_cast<std::int64_t>(seconds);
    if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
    return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    return fmt::format("{}", fmt::join(parts, separator));
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    std::size_t at = 0;
    while (true) {
        const std::size_t end = text.find(separator, at);
        parts.emplace_back(text.substr(at, end - at));
        if (end == std::string_view::npos) return parts;
        at = end + 1;
    }
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace eider
