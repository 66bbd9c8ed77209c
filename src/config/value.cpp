#include "config/value.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace eider {
namespace {

namespace fs = std::filesystem;

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view p) { return text.starts_with(p); });
}

bool is_uri(std::string_view text) {
    return starts_with_any(text, {"postgresql://", "postgres://"});
}

fs::path absolute_in(const fs::path& folder, const std::string& text) {
    return (folder / text).lexically_normal();
}

// Splits at commas, except inside double quotes, which patterns keep.
std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> parts;
    std::string part;
    bool quoted = false;
    for (const char c : text) {
        if (c == '"') quoted = !quoted;
        if (c == ',' && !quoted) {
            parts.push_back(std::move(part));
            part.clear();
        } else {
            part += c;
        }
    }
    parts.push_back(std::move(part));
    for (auto& p : parts) p = std::string(trim(p));
    if (parts.size() == 1 && parts.front().empty()) parts.clear();
    return parts;
}

// "a text", "a number" ... for messages: the type, never the value.
std::string_view type_name(const toml::node& node) {
    if (node.is_string()) return "a text";
    if (node.is_integer()) return "a number";
    if (node.is_floating_point()) return "a number with a fraction";
    if (node.is_boolean()) return "true or false";
    if (node.is_array()) return "a list";
    if (node.is_table()) return "a table";
    return "a date or time";
}

std::string must_be(std::string_view wanted, const toml::node& node) {
    return fmt::format("must be {}, not {}", wanted, type_name(node));
}

}  // namespace

void fail_at(const Place& place, std::string_view why, std::string hint) {
    const std::string prefix = place.position.empty() ? place.name : fmt::format("{}: {}", place.position, place.name);
    throw Error(ErrorKind::config, redact(fmt::format("{} {}", prefix, why)), std::move(hint));
}

void Value::fail(std::string_view why, std::string hint) const {
    fail_at(place_, why, std::move(hint));
}

std::string Value::text() const {
    std::string out;
    if (const auto* text = std::get_if<std::string>(&content_)) {
        out = *text;
    } else {
        const toml::node& node = *std::get<const toml::node*>(content_);
        if (!node.is_string()) fail(must_be("a text", node), "write it in quotes");
        out = node.as_string()->get();
    }
    if (out.find('\0') != std::string::npos) fail("has a zero byte in it");
    return out;
}

bool Value::boolean() const {
    if (const auto* node = std::get_if<const toml::node*>(&content_)) {
        if (!(*node)->is_boolean()) fail(must_be("true or false", **node), "write it without quotes");
        return (*node)->as_boolean()->get();
    }
    const std::string word = text();
    if (word == "true" || word == "1" || word == "yes" || word == "on") return true;
    if (word == "false" || word == "0" || word == "no" || word == "off") return false;
    fail("must be true or false");
}

std::int64_t Value::integer(std::int64_t min, std::int64_t max) const {
    std::int64_t number = 0;
    if (const auto* node = std::get_if<const toml::node*>(&content_)) {
        if (!(*node)->is_integer()) fail(must_be("a whole number", **node), "write it without quotes");
        number = (*node)->as_integer()->get();
    } else {
        const std::string word = text();
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
        if (error != std::errc{} || end != word.data() + word.size()) fail("must be a whole number");
    }
    if (number < min || number > max) {
        fail(fmt::format("is {}, and must lie between {} and {}", number, with_separators(min), with_separators(max)));
    }
    return number;
}

std::vector<Value::Item> Value::items() const {
    std::vector<Item> out;
    if (const auto* text = std::get_if<std::string>(&content_)) {
        for (auto& part : split_list(*text)) out.push_back({std::move(part), place_.location()});
        return out;
    }
    const toml::node& node = *std::get<const toml::node*>(content_);
    if (!node.is_array()) fail(must_be("a list", node), "write it in brackets: [\"one\", \"two\"]");
    const std::string file = place_.position.substr(0, place_.position.rfind(':'));
    for (const toml::node& item : *node.as_array()) {
        std::string where = fmt::format("{}:{}", file, item.source().begin.line);
        if (!item.is_string()) fail_at({where, place_.name}, fmt::format("must hold texts, not {}", type_name(item)));
        out.push_back({item.as_string()->get(), std::move(where)});
    }
    return out;
}

std::vector<std::string> Value::texts() const {
    std::vector<std::string> out;
    for (auto& item : items()) {
        if (trim(item.text).empty()) fail("has an empty name in it");
        if (std::find(out.begin(), out.end(), item.text) != out.end()) {
            fail(fmt::format("names '{}' twice", item.text));
        }
        out.push_back(std::move(item.text));
    }
    return out;
}

std::vector<TablePattern> Value::patterns() const {
    std::vector<TablePattern> out;
    for (const auto& item : items()) {
        try {
            out.push_back(TablePattern::parse(item.text, item.where));
        } catch (const Error& error) {
            throw Error(ErrorKind::config, redact(fmt::format("{}: {}", item.where, error.what())), error.hint());
        }
        if (std::count(out.begin(), out.end(), out.back()) > 1) {
            throw Error(ErrorKind::config,
                        fmt::format("{}: the table pattern '{}' is there twice", item.where, item.text));
        }
    }
    return out;
}

fs::path Value::path() const {
    const std::string word = text();
    return word.empty() ? fs::path() : absolute_in(folder_, word);
}

std::string Value::folder_or_url() const {
    const std::string word = text();
    if (trim(word).empty()) fail("is empty", "name a folder (./lake) or a URL (s3://bucket/prefix)");
    if (word.starts_with("file://")) return absolute_in(folder_, word.substr(7)).string();
    if (word.find("://") != std::string::npos) return word;
    return absolute_in(folder_, word).string();
}

std::string Value::memory_size() const {
    static constexpr std::string_view hint = "write a number and a unit: \"512MB\", \"2GB\" or \"2GiB\"";
    static constexpr std::array units{"KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"};
    const std::string word = text();
    const std::size_t digits = std::min(word.find_first_not_of("0123456789."), word.size());
    const std::string_view unit = trim(std::string_view(word).substr(digits));
    double amount = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + digits, amount);
    if (error != std::errc{} || end != word.data() + digits || !(amount > 0) || amount > 1e6 ||
        std::find(units.begin(), units.end(), unit) == units.end()) {
        fail("is not an amount of memory", std::string(hint));
    }
    return word;
}

std::string Value::role_name() const {
    std::string word = text();
    if (trim(word).empty()) fail("is empty");
    if (word.size() > 63) fail("is longer than 63 bytes", "PostgreSQL cuts longer names off");
    return word;
}

std::string Value::connection_string() const {
    std::string word(trim(text()));
    if (!word.empty() && !is_uri(word) && word.find('=') == std::string::npos) {
        fail("is not a connection string",
             "write postgresql://user@host/database, or keywords as libpq takes them: host=... dbname=... or "
             "service=...");
    }
    return word;
}

Catalog Value::catalog() const {
    std::string word(trim(text()));
    if (word.starts_with("ducklake:")) word.erase(0, 9);  // as DuckLake's own ATTACH writes it
    const auto file = [&](CatalogKind kind, std::size_t prefix) {
        if (word.size() == prefix) fail("names no file", "write for example sqlite:lake.sqlite");
        return Catalog{kind, absolute_in(folder_, word.substr(prefix)).string()};
    };
    if (word.empty() || word == "source") return {};
    if (is_uri(word)) return {CatalogKind::postgres, word};
    if (word.starts_with("postgres:")) {
        const std::string location(trim(std::string_view(word).substr(9)));
        if (location.empty())
            fail("names no server", "write postgres:host=... dbname=..., or \"source\" for the source's own");
        return {CatalogKind::postgres, location};
    }
    if (word.starts_with("sqlite:")) return file(CatalogKind::sqlite, 7);
    if (word.starts_with("duckdb:")) return file(CatalogKind::duckdb, 7);
    const std::string extension = fs::path(word).extension().string();
    if (extension == ".ducklake" || extension == ".duckdb" || extension == ".db") return file(CatalogKind::duckdb, 0);
    if (extension == ".sqlite") return file(CatalogKind::sqlite, 0);
    fail("is not a catalog that eider knows",
         "write \"source\", a PostgreSQL connection string, sqlite:FILE, duckdb:FILE or a file that ends in .ducklake");
}

Durability Value::durability() const {
    const std::string word = text();
    if (word == "unlogged") return Durability::unlogged;
    if (word == "logged") return Durability::logged;
    const std::string near = closest(word, {"unlogged", "logged"});
    fail(fmt::format("is \"{}\", and must be \"unlogged\" or \"logged\"", word),
         near.empty() ? std::string() : fmt::format("did you mean \"{}\"?", near));
}

}  // namespace eider
