// The identifiers that eider makes.
#pragma once

#include <cstdint>
#include <string>

namespace eider {

struct Uuid {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const Uuid&) const = default;
};

// The UUIDv7 (RFC 9562) of an event: 48 bits of milliseconds of `ts_us`, then the 63 bits of `seq` spread
// over rand_a (the top 12) and rand_b (the rest). The same event has the same uuid on every retry, and two
// events of one source never share one, because `seq` is drawn once.
// Times before 1970 count as 1970: the format has no sign.
Uuid event_uuid(std::int64_t ts_us, std::int64_t seq);

// The usual 36 characters.
std::string to_string(const Uuid& uuid);

// A random UUIDv4, for installations and epochs.
std::string random_uuid();

}  // namespace eider
