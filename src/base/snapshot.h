// PostgreSQL's pg_snapshot as text: "xmin:xmax:xip,xip...". The cursor of a consumer is one.
//
// PostgreSQL documentation, "pg_snapshot Components": transactions below xmin are over, those at or above xmax had
// not begun, those in the list were running.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eider {

// Shows nothing: where a consumer starts.
inline constexpr std::string_view empty_cursor = "1:1:";

struct Snapshot {
    std::uint64_t xmin = 0;
    std::uint64_t xmax = 0;
    std::vector<std::uint64_t> running;  // ascending

    // Throws Error(corrupt) for anything else than the form above.
    static Snapshot parse(std::string_view text);

    bool shows(std::uint64_t xid) const;

    // Whether it shows a transaction that `other` does not show.
    bool shows_more_than(const Snapshot& other) const;

    // Whether every transaction that ran at `earlier` and could have changed something still runs here.
    bool none_ended_since(const Snapshot& earlier) const;
};

}  // namespace eider
