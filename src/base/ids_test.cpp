#include "base/ids.h"

#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eider {
namespace {

constexpr std::int64_t seq_max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t some_us = 1'700'000'000'123'456;

std::uint64_t ms_of(const Uuid& uuid) {
    return uuid.high >> 16;
}

// What a reader of RFC 9562 takes back out of the two random parts.
std::uint64_t seq_of(const Uuid& uuid) {
    return (uuid.high & 0xFFF) << 51 | (uuid.low & ((1ULL << 51) - 1));
}

std::vector<std::int64_t> telling_seqs() {
    std::vector<std::int64_t> seqs{0, 1, seq_max, seq_max - 1};
    for (int bit = 0; bit < 63; ++bit) {
        const std::int64_t power = std::int64_t{1} << bit;
        seqs.insert(seqs.end(), {power, power - 1, seq_max - power});
    }
    return seqs;
}

TEST(EventUuid, IsVersion7OfRfc9562) {
    for (const std::int64_t seq : telling_seqs()) {
        const Uuid uuid = event_uuid(some_us, seq);
        EXPECT_EQ((uuid.high >> 12) & 0xF, 7U) << seq;
        EXPECT_EQ(uuid.low >> 62, 2U) << seq;
        EXPECT_EQ(ms_of(uuid), 1'700'000'000'123U) << seq;
    }
}

TEST(EventUuid, HoldsEverySequenceNumberWhole) {
    for (const std::int64_t seq : telling_seqs()) {
        EXPECT_EQ(seq_of(event_uuid(some_us, seq)), static_cast<std::uint64_t>(seq));
    }
}

TEST(EventUuid, IsOrderedByMillisecondAndThenBySequence) {
    std::mt19937_64 random(7);
    const auto number = [&](const Uuid& uuid) { return std::tuple(uuid.high, uuid.low); };
    for (int i = 0; i < 10'000; ++i) {
        const std::int64_t ts_us = some_us + static_cast<std::int64_t>(random() % 4'000);
        const std::int64_t other_ts_us = some_us + static_cast<std::int64_t>(random() % 4'000);
        const auto seq = static_cast<std::int64_t>(random() >> (1 + random() % 63));
        const auto other_seq = static_cast<std::int64_t>(random() >> (1 + random() % 63));
        EXPECT_EQ(std::tuple(ts_us / 1000, seq) < std::tuple(other_ts_us / 1000, other_seq),
                  number(event_uuid(ts_us, seq)) < number(event_uuid(other_ts_us, other_seq)));
    }
}

TEST(EventUuid, IsTheSameForTheSameEvent) {
    EXPECT_EQ(event_uuid(some_us, 42), event_uuid(some_us, 42));
    EXPECT_FALSE(event_uuid(some_us, 42) == event_uuid(some_us, 43));
}

TEST(EventUuid, CountsTimesBefore1970AsTheBeginning) {
    EXPECT_EQ(ms_of(event_uuid(-1, 5)), 0U);
    EXPECT_EQ(ms_of(event_uuid(std::numeric_limits<std::int64_t>::min(), 5)), 0U);
    EXPECT_EQ(seq_of(event_uuid(-1, 5)), 5U);
}

TEST(EventUuid, OfTheLastTimeKeepsItsVersion) {
    const Uuid uuid = event_uuid(std::numeric_limits<std::int64_t>::max(), seq_max);
    EXPECT_EQ((uuid.high >> 12) & 0xF, 7U);
    EXPECT_EQ(seq_of(uuid), static_cast<std::uint64_t>(seq_max));
}

TEST(Uuid, IsWrittenInTheUsual36Characters) {
    EXPECT_EQ(to_string({.high = 0x0123'4567'89ab'cdef, .low = 0x8123'4567'89ab'cdef}),
              "01234567-89ab-cdef-8123-456789abcdef");
    EXPECT_EQ(to_string({}), "00000000-0000-0000-0000-000000000000");
}

TEST(RandomUuid, IsVersion4AndNeverTheSame) {
    std::set<std::string> seen;
    for (int i = 0; i < 1'000; ++i) {
        const std::string uuid = random_uuid();
        EXPECT_THAT(uuid, testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
        EXPECT_TRUE(seen.insert(uuid).second);
    }
}

}  // namespace
}  // namespace eider
