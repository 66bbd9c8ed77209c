// One value of the configuration, wherever it stands: in the file, in the environment or behind a flag. It converts
// itself, and says where it stands when it cannot.
//
// Guarantees: no message holds a value that may be a secret. Threads: values only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"
#include "config/toml.h"

namespace eider {

// Where a value stands. "eider.toml:12", "durability" in the file; "", "EIDER_DURABILITY" elsewhere.
struct Place {
    std::string position;
    std::string name;
    std::string location() const { return position.empty() ? name : position; }
};

class Value {
public:
    // From the file: the node outlives the value.
    Value(Place place, const toml::node& node, const std::filesystem::path& folder)
        : place_(std::move(place)), content_(&node), folder_(folder) {}
    // From the environment or a flag.
    Value(Place place, std::string text, const std::filesystem::path& folder)
        : place_(std::move(place)), content_(std::move(text)), folder_(folder) {}

    std::string text() const;
    bool boolean() const;
    std::int64_t integer(std::int64_t min, std::int64_t max) const;
    std::vector<std::string> texts() const;      // of the environment: separated by commas
    std::vector<TablePattern> patterns() const;  // each with the line it stands on
    std::filesystem::path path() const;          // absolute; empty stays empty
    std::string folder_or_url() const;           // absolute, or what has a scheme, such as s3://bucket
    std::string memory_size() const;             // "512MB", "2GiB"
    std::string role_name() const;               // not empty, at most 63 bytes
    std::string connection_string() const;
    Catalog catalog() const;
    Durability durability() const;

    [[noreturn]] void fail(std::string_view why, std::string hint = {}) const;

private:
    struct Item {
        std::string text;
        std::string where;
    };
    std::vector<Item> items() const;

    Place place_;
    std::variant<const toml::node*, std::string> content_;
    std::filesystem::path folder_;  // what relative paths are relative to
};

// The message for something wrong at a place.
[[noreturn]] void fail_at(const Place& place, std::string_view why, std::string hint = {});

}  // namespace eider
