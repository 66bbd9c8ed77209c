#include "base/snapshot.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace eider {
namespace {

std::uint64_t xid_of(std::string_view digits, std::string_view snapshot) {
    std::uint64_t xid = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), xid);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
        throw Error(ErrorKind::corrupt, fmt::format("'{}' is not a snapshot of PostgreSQL", snapshot),
                    "the cursor in eider.log was changed by hand or damaged");
    }
    return xid;
}

}  // namespace

Snapshot Snapshot::parse(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() != 3) xid_of("?", text);
    Snapshot snapshot{.xmin = xid_of(parts[0], text), .xmax = xid_of(parts[1], text), .running = {}};
    if (!parts[2].empty()) {
        for (const auto& digits : split(parts[2], ',')) snapshot.running.push_back(xid_of(digits, text));
    }
    std::sort(snapshot.running.begin(), snapshot.running.end());
    const bool has_strays = !snapshot.running.empty() &&
                            (snapshot.running.front() < snapshot.xmin || snapshot.running.back() >= snapshot.xmax);
    if (snapshot.xmin == 0 || snapshot.xmin > snapshot.xmax || has_strays) xid_of("?", text);
    return snapshot;
}

bool Snapshot::shows(std::uint64_t xid) const {
    if (xid < xmin) return true;
    if (xid >= xmax) return false;
    return !std::binary_search(running.begin(), running.end(), xid);
}

bool Snapshot::shows_more_than(const Snapshot& other) const {
    if (xmax > other.xmax) {
        const auto beyond = std::lower_bound(running.begin(), running.end(), other.xmax);
        if (static_cast<std::uint64_t>(running.end() - beyond) < xmax - other.xmax) return true;
    }
    return std::any_of(other.running.begin(), other.running.end(), [&](std::uint64_t xid) { return shows(xid); });
}

bool Snapshot::none_ended_since(const Snapshot& earlier) const {
    // The list ends at xmax, and xmax is one more than the last that *ended*: transactions that run above it stand
    // nowhere (PostgreSQL, procarray.c, GetSnapshotData). As long as xmax stays, none of them has ended.
    if (xmax != earlier.xmax) return false;
    return std::none_of(earlier.running.begin(), earlier.running.end(), [&](std::uint64_t xid) { return shows(xid); });
}

}  // namespace eider
