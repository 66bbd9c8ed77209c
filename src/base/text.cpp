#include "base/text.h"

#include <algorithm>
#include <array>
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

// The end of the value that starts at `start` in a keyword/value connection string.
std::size_t end_of_value(std::string_view text, std::size_t start) {
    if (start < text.size() && text[start] == '\'') {
        for (std::size_t i = start + 1; i < text.size(); ++i) {
            if (text[i] == '\\') ++i;
            else if (text[i] == '\'') return i + 1;
        }
        return text.size();
    }
    std::size_t i = start;
    while (i < text.size() && text[i] != ' ' && text[i] != '&') {
        if (text[i] == '\\') ++i;
        ++i;
    }
    return std::min(i, text.size());
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
        const auto found = std::find_if(values.begin(), values.end(), [&](const TemplateValue& v) { return v.key == key; });
        if (close == std::string_view::npos || found == values.end()) {
            throw Error(ErrorKind::internal, fmt::format("no value for the placeholder {{{{{}}}}} of a SQL template", key));
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
    std::string out(text);
    if (const std::size_t scheme = out.find("://"); scheme != std::string::npos) {
        const std::size_t authority = scheme + 3;
        const std::size_t authority_end = std::min(out.find_first_of("/?", authority), out.size());
        const std::size_t at = out.rfind('@', authority_end);
        if (at != std::string::npos && at > authority) {
            const std::size_t colon = out.find(':', authority);
            if (colon < at) out.replace(colon + 1, at - colon - 1, "***");
        }
    }
    for (const std::string_view key : {"password", "sslpassword"}) {
        std::size_t from = 0;
        while ((from = out.find(key, from)) != std::string::npos) {
            std::size_t value = from + key.size();
            while (value < out.size() && out[value] == ' ') ++value;
            from = value;
            if (value >= out.size() || out[value] != '=') continue;
            ++value;
            while (value < out.size() && out[value] == ' ') ++value;
            const std::size_t end = end_of_value(out, value);
            out.replace(value, end - value, "***");
            from = value + 3;
        }
    }
    return out;
}

std::string without_password(std::string_view text) {
    std::string out = redact(text);
    for (const std::string_view trace : {":***@", "sslpassword=***", "password=***"}) {
        for (std::size_t at = 0; (at = out.find(trace)) != std::string::npos;) {
            out.replace(at, trace.size(), trace.back() == '@' ? "@" : "");
        }
    }
    return std::string(trim(out));
}

std::string with_separators(std::int64_t number) {
    std::string digits = std::to_string(number < 0 ? -number : number);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return number < 0 ? "-" + digits : digits;
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
    const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace eider
