#include "base/ids.h"

#include <algorithm>
#include <random>

#include <fmt/format.h>

namespace eider {

Uuid event_uuid(std::int64_t ts_us, std::int64_t seq) {
    const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(ts_us, 0) / 1000) & 0xFFFF'FFFF'FFFFULL;
    const auto number = static_cast<std::uint64_t>(seq);
    // 63 bits of seq: 12 into rand_a would leave 51, rand_b holds 62.
    const std::uint64_t rand_a = (number >> 51) & 0xFFF;
    const std::uint64_t rand_b = number & ((1ULL << 51) - 1);
    return {.high = (ms << 16) | (7ULL << 12) | rand_a, .low = (2ULL << 62) | rand_b};
}

std::string to_string(const Uuid& uuid) {
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", uuid.high >> 32, (uuid.high >> 16) & 0xFFFF,
                       uuid.high & 0xFFFF, uuid.low >> 48, uuid.low & 0xFFFF'FFFF'FFFFULL);
}

std::string random_uuid() {
    std::random_device device;
    const auto word = [&] { return (static_cast<std::uint64_t>(device()) << 32) | device(); };
    Uuid uuid{.high = word(), .low = word()};
    uuid.high = (uuid.high & ~0xF000ULL) | (4ULL << 12);
    uuid.low = (uuid.low & ~(3ULL << 62)) | (2ULL << 62);
    return to_string(uuid);
}

}  // namespace eider
