#include "base/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace eider {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Snapshot, IsReadAsPostgresWritesIt) {
    const Snapshot snapshot = Snapshot::parse("10:20:10,14,15");
    EXPECT_EQ(snapshot.xmin, 10U);
    EXPECT_EQ(snapshot.xmax, 20U);
    EXPECT_THAT(snapshot.running, ElementsAre(10, 14, 15));
    EXPECT_THAT(Snapshot::parse("724:724:").running, IsEmpty());
    EXPECT_EQ(Snapshot::parse("18446744073709551615:18446744073709551615:").xmax, 18'446'744'073'709'551'615U);
}

TEST(Snapshot, ShowsWhatWasOverWhenItWasTaken) {
    const Snapshot snapshot = Snapshot::parse("10:20:10,14");
    EXPECT_TRUE(snapshot.shows(9));
    EXPECT_FALSE(snapshot.shows(10));
    EXPECT_TRUE(snapshot.shows(11));
    EXPECT_FALSE(snapshot.shows(14));
    EXPECT_TRUE(snapshot.shows(19));
    EXPECT_FALSE(snapshot.shows(20));
    EXPECT_FALSE(snapshot.shows(1'000));
}

TEST(Snapshot, ShowsTheSameWhateverTheOrderOfItsList) {
    const Snapshot snapshot = Snapshot::parse("10:20:15,10,14");
    for (const std::uint64_t xid : {10U, 14U, 15U}) EXPECT_FALSE(snapshot.shows(xid)) << xid;
    EXPECT_TRUE(snapshot.shows(12));
}

TEST(Snapshot, OfAConsumerAtItsStartShowsNothing) {
    const Snapshot snapshot = Snapshot::parse(empty_cursor);
    for (const std::uint64_t xid : {1ULL, 2ULL, 3ULL, 724ULL, ~0ULL}) EXPECT_FALSE(snapshot.shows(xid)) << xid;
}

TEST(Snapshot, RefusesWhatPostgresWouldNotTake) {
    for (const char* text : {"",       ":",
                             "::",     "1",
                             "1:1",    "1:1:1:1",
                             "a:1:",   "1:b:",
                             "1:2:c",  "1:2:,",
                             "1:2:1,", "1:2:,1",
                             " 1:1:",  "1:1: ",
                             "-1:1:",  "+1:1:",
                             "1:-1:",  "0x1:1:",
                             "1.0:2:", "18446744073709551616:1:",
                             "0:1:",   "2:1:",
                             "5:8:4",  "5:8:8",
                             "1:1:\n", "'; DROP TABLE log"}) {
        try {
            static_cast<void>(Snapshot::parse(text));
            ADD_FAILURE() << "accepted: " << text;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::corrupt) << text;
            EXPECT_FALSE(error.hint().empty()) << text;
        }
    }
}

TEST(Snapshot, ShowsMoreThanAnotherWhereItShowsATransactionThatTheOtherDoesNot) {
    const Snapshot earlier = Snapshot::parse("10:20:10,14");
    EXPECT_FALSE(earlier.shows_more_than(earlier));
    EXPECT_FALSE(Snapshot::parse(empty_cursor).shows_more_than(earlier));
    EXPECT_TRUE(earlier.shows_more_than(Snapshot::parse(empty_cursor)));
    EXPECT_TRUE(Snapshot::parse("14:20:14").shows_more_than(earlier));
    EXPECT_FALSE(earlier.shows_more_than(Snapshot::parse("14:20:14")));
    EXPECT_TRUE(Snapshot::parse("10:21:10,14").shows_more_than(earlier));
    EXPECT_FALSE(Snapshot::parse("10:22:10,14,20,21").shows_more_than(earlier));
    EXPECT_TRUE(Snapshot::parse("10:23:10,14,20,21").shows_more_than(earlier));
}

TEST(Snapshot, KnowsThatNothingEndedWhileNothingDid) {
    const Snapshot earlier = Snapshot::parse("10:20:10,14");
    EXPECT_TRUE(earlier.none_ended_since(earlier));
    const Snapshot idle = Snapshot::parse("724:724:");
    EXPECT_TRUE(idle.none_ended_since(idle));
}

TEST(Snapshot, SeesThatOneOfItsRunningTransactionsEnded) {
    EXPECT_FALSE(Snapshot::parse("14:20:14").none_ended_since(Snapshot::parse("10:20:10,14")));
    EXPECT_FALSE(Snapshot::parse("10:20:10").none_ended_since(Snapshot::parse("10:20:10,14")));
}

// PostgreSQL 15, psql: while a session holds transaction 724 open, pg_current_snapshot() is 724:724: in another, with
// an empty list, because 724 is not below xmax; after its COMMIT it is 725:725:.
TEST(Snapshot, SeesThatATransactionAboveItsListEnded) {
    EXPECT_FALSE(Snapshot::parse("725:725:").none_ended_since(Snapshot::parse("724:724:")));
    EXPECT_FALSE(Snapshot::parse("10:22:10,14,20").none_ended_since(Snapshot::parse("10:20:10,14")));
}

}  // namespace
}  // namespace eider
