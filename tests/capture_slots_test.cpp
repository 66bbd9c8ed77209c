// Rotation and release: nobody waits, nothing is lost, nothing is released that is not moved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "support/capture.h"
#include "support/server.h"
#include "support/wait.h"

namespace eider::test {
namespace {

using testing::HasSubstr;

class Slots : public testing::Test {
protected:
    void SetUp() override {
        install_capture(eider_);
        eider_.run("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE o (id int PRIMARY KEY, secret text)");
        attach(eider_, "t");
        attach(eider_, "o", R"({"exclude": ["secret"]})");
        eider_.run("SET statement_timeout = '20s'; SET lock_timeout = '5s'");
    }

    // As a batch that moved everything it can see.
    void confirm(const std::string& consumer = "default") {
        eider_.run(fmt::format("SELECT audit.confirm('{}', pg_current_snapshot(), 1)", consumer));
    }

    std::string release(int slot) {
        const auto rows = eider_.run(fmt::format("SELECT audit.release({})", slot));
        return rows[0][0].value_or("released");
    }

    Database database_ = fresh_database();
    Client eider_{database_.uri};
};

TEST_F(Slots, RotationMovesAllTablesToTheNextSlot) {
    eider_.run("INSERT INTO t VALUES (1); INSERT INTO o VALUES (1)");
    EXPECT_EQ(eider_.value("SELECT audit.rotate()"), "2");
    eider_.run("INSERT INTO t VALUES (2); INSERT INTO o VALUES (2); UPDATE t SET id = 3 WHERE id = 1");
    EXPECT_EQ(eider_.value("SELECT string_agg(slot::text, '' ORDER BY seq) FROM audit.cdc"), "112222");
}

TEST_F(Slots, SessionsWithPlansOfTheirOwnWriteToTheNewSlotAfterARotation) {
    eider_.run(
        "INSERT INTO t VALUES (1); INSERT INTO o VALUES (1); CREATE FUNCTION change() RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE t SET v = 'x'; UPDATE o SET secret = 'x'; END $$");
    Client app(database_.uri);
    app.run(
        "PREPARE change AS UPDATE t SET v = 'y'; PREPARE change_key AS UPDATE o SET id = id + 1; PREPARE add AS INSERT "
        "INTO t SELECT max(id) + 1 FROM t");
    for (int i = 0; i < 10; ++i)
        app.run("EXECUTE change; EXECUTE change_key; EXECUTE add; SELECT change(); DELETE FROM t WHERE id > 1");
    for (const std::string slot : {"2", "3", "1", "2"}) {
        confirm();
        eider_.run("SELECT audit.release()");
        EXPECT_EQ(eider_.value("SELECT audit.rotate()"), slot);
        app.run("EXECUTE change; EXECUTE change_key; EXECUTE add; SELECT change(); DELETE FROM t WHERE id > 1");
        EXPECT_EQ(eider_.value("SELECT string_agg(DISTINCT slot::text, '') FROM audit.cdc WHERE xid >= (SELECT "
                               "max(xid) FROM audit.cdc)"),
                  slot);
    }
}

// It may hear of the rotation or not: where its changes go, they are read, and its slot is not emptied under it.
TEST_F(Slots, ATransactionThatIsOpenDuringARotationLosesNothing) {
    for (const std::string level : {"READ COMMITTED", "REPEATABLE READ"}) {
        forget_events(eider_);
        eider_.run("TRUNCATE t; INSERT INTO t VALUES (1)");
        forget_events(eider_);
        Client app(database_.uri);
        app.run("PREPARE change AS UPDATE t SET v = v || '.', id = id + 1");
        for (int i = 0; i < 10; ++i) app.run("EXECUTE change");
        app.run("BEGIN ISOLATION LEVEL " + level + "; EXECUTE change");
        for (int i = 0; i < 4; ++i) {
            confirm();
            eider_.run("SELECT audit.rotate(); SELECT audit.release()");
            app.run("EXECUTE change");
        }
        app.run("COMMIT");
        EXPECT_EQ(eider_.number("SELECT count(*) FROM audit.cdc WHERE xid = (SELECT max(xid) FROM audit.cdc)"), 10)
            << level;
    }
}

TEST_F(Slots, RotationOfAnEmptySlotChangesNothing) {
    EXPECT_EQ(eider_.value("SELECT audit.rotate()"), "1");
    EXPECT_EQ(eider_.value("SELECT xmin = (SELECT xmin FROM audit.installation) FROM audit.installation"), "t");
}

TEST_F(Slots, RotationAndReleaseWaitForNoOpenTransactionAndHoldUpNoWriter) {
    Client slow(database_.uri);
    Client quick(database_.uri);
    slow.run("BEGIN; INSERT INTO t VALUES (1)");
    EXPECT_EQ(eider_.value("SELECT audit.rotate()"), "2");
    quick.run("SET lock_timeout = '1s'; INSERT INTO t VALUES (2)");
    confirm();
    EXPECT_THAT(release(1), HasSubstr("in use"));
    slow.run("INSERT INTO t VALUES (3); COMMIT");
    EXPECT_EQ(eider_.number("SELECT count(*) FROM audit.cdc"), 3);
    EXPECT_THAT(release(1), HasSubstr("has not read all of it"));
    confirm();
    EXPECT_EQ(release(1), "released");
    EXPECT_EQ(eider_.value("SELECT string_agg(slot::text, '' ORDER BY seq) FROM audit.cdc"), "22");
}

TEST_F(Slots, ASlotIsReleasedOnlyWhenAllConsumersHaveReadIt) {
    eider_.run("INSERT INTO t VALUES (1); SELECT audit.rotate()");
    EXPECT_EQ(release(1), "no consumer has read anything yet");
    eider_.run("SELECT audit.claim('second', 'epoch')");
    confirm("first");
    EXPECT_THAT(release(1), HasSubstr("consumer second"));
    confirm("second");
    EXPECT_EQ(release(1), "released");
    EXPECT_EQ(release(1), "empty");
    EXPECT_THAT(release(2), HasSubstr("active"));
}

TEST_F(Slots, AConsumerThatLetGoStillHoldsItsSlotsAndAForgottenOneDoesNot) {
    confirm("first");
    eider_.run(
        "SELECT audit.claim('second', 'e'); SELECT audit.let_go('second'); INSERT INTO t VALUES (1); SELECT "
        "audit.rotate()");
    confirm("first");
    EXPECT_THAT(release(1), HasSubstr("consumer second"));
    eider_.run("SELECT audit.forget('second')");
    EXPECT_EQ(release(1), "released");
}

TEST_F(Slots, ATransactionThatCommitsBetweenSnapshotAndReleaseIsKept) {
    Client writer(database_.uri);
    writer.run("BEGIN; INSERT INTO t VALUES (1)");
    eider_.run("INSERT INTO t VALUES (2)");
    const std::string cursor = eider_.value("SELECT pg_current_snapshot()");
    writer.run("COMMIT");
    eider_.run(fmt::format("SELECT audit.rotate(); SELECT audit.confirm('default', '{}', 1)", cursor));
    EXPECT_THAT(release(1), HasSubstr("has not read all of it"));
    EXPECT_EQ(eider_.number("SELECT count(*) FROM audit.cdc_1"), 2);
}

TEST_F(Slots, APreparedTransactionKeepsItsSlot) {
    eider_.run("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'held'");
    eider_.run("SELECT audit.rotate()");
    confirm();
    EXPECT_THAT(release(1), HasSubstr("in use"));
    eider_.run("COMMIT PREPARED 'held'");
    EXPECT_THAT(release(1), HasSubstr("has not read all of it"));
}

TEST_F(Slots, ReleaseUnderOneSnapshotIsRefused) {
    eider_.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    try {
        eider_.run("SELECT audit.release(1)");
        FAIL() << "released without a second look";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("READ COMMITTED"));
    }
    eider_.run("ROLLBACK");
}

TEST_F(Slots, WithAllSlotsInUseTheEmptiestIsWrittenTo) {
    Client slow(database_.uri);
    Client slower(database_.uri);
    slow.run("BEGIN; INSERT INTO t VALUES (1)");
    eider_.run("SELECT audit.rotate()");
    slower.run("BEGIN; INSERT INTO t VALUES (2)");
    EXPECT_EQ(eider_.value("SELECT audit.rotate()"), "3");
    eider_.run("INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(10, 5000) AS g");
    EXPECT_NE(eider_.value("SELECT audit.rotate()"), "3");
    confirm();
    EXPECT_EQ(release(3), "released");
    slow.run("COMMIT");
    slower.run("COMMIT");
    EXPECT_EQ(eider_.number("SELECT count(*) FROM audit.cdc"), 2);
}

TEST_F(Slots, TwoSessionsThatRotateAtOnceTakeTurnsWithoutWaiting) {
    eider_.run("INSERT INTO t VALUES (1); BEGIN; SELECT audit.rotate()");
    Client other(database_.uri);
    other.run("SET statement_timeout = '5s'");
    EXPECT_EQ(other.value("SELECT audit.rotate()"), "1");
    eider_.run("COMMIT");
    EXPECT_EQ(other.value("SELECT active_slot FROM audit.installation"), "2");
}

TEST_F(Slots, ATableThatIsAttachedWhileASlotRotatesWritesToTheSlotThatIsActive) {
    eider_.run("INSERT INTO t VALUES (1); CREATE TABLE late (id int, s text)");
    Client migration(database_.uri);
    migration.run(R"(BEGIN; SELECT audit.attach('late', '{"exclude": ["s"]}'))");
    EXPECT_EQ(eider_.value("SELECT audit.rotate()"), "1") << "an attach is under way";
    migration.run("COMMIT");
    EXPECT_EQ(eider_.value("SELECT audit.rotate()"), "2");
    eider_.run("INSERT INTO late VALUES (1)");
    EXPECT_EQ(eider_.value("SELECT slot FROM audit.cdc WHERE table_name = 'late'"), "2");
}

TEST_F(Slots, DurabilityCanBeChangedBothWaysWithoutLosingAnEvent) {
    const auto persistence = [&] {
        return eider_.value(
            "SELECT string_agg(relpersistence::text, '' ORDER BY relname) FROM pg_class WHERE relname ~ '^cdc_[123]$' "
            "AND relnamespace = 'audit'::regnamespace");
    };
    EXPECT_EQ(persistence(), "uuu");
    eider_.run("INSERT INTO t VALUES (1)");
    Config config;
    config.capture.durability = Durability::logged;
    install_capture(eider_, config);
    EXPECT_EQ(eider_.number("SELECT count(*) FROM audit.cdc"), 1);
    eider_.run("INSERT INTO t VALUES (2)");
    EXPECT_EQ(eider_.value("SELECT slot <> 1 FROM audit.cdc ORDER BY seq DESC LIMIT 1"), "t")
        << "new events are logged at once";
    confirm();
    eider_.run("SELECT audit.release()");
    EXPECT_EQ(persistence(), "ppp");
    install_capture(eider_, Config{});
    confirm();
    eider_.run("SELECT audit.rotate(); SELECT audit.release()");
    EXPECT_EQ(persistence(), "uuu");
}

TEST_F(Slots, UnderLoadNothingIsLostAndNothingIsDoneTwice) {
    constexpr int writers = 4;
    constexpr int rows = 400;
    std::atomic<bool> failed = false;
    Client open(database_.uri);
    open.run("BEGIN; INSERT INTO t VALUES (-1)");  // stays open all the time
    std::vector<std::jthread> threads;
    std::atomic<int> running = writers;
    for (int w = 0; w < writers; ++w) {
        threads.emplace_back([&, w] {
            try {
                Client client(database_.uri);
                client.run("SET lock_timeout = '2s'");
                for (int i = 0; i < rows; ++i)
                    client.run(fmt::format("INSERT INTO {} (id) VALUES ({})", i % 2 == 0 ? "t" : "o", w * rows + i));
            } catch (const std::runtime_error&) {
                failed = true;
            }
            --running;
        });
    }
    // One who moves: reads what is new as of a snapshot, confirms it, rotates, releases.
    eider_.run("CREATE TABLE moved (seq bigint); SELECT audit.claim('default', 'e')");
    int rotations = 0;
    const auto move = [&] {
        eider_.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
        const std::string cursor = eider_.value("SELECT cursor FROM audit.consumer");
        eider_.run(fmt::format(
            "INSERT INTO moved SELECT seq FROM audit.cdc WHERE NOT pg_visible_in_snapshot(xid, '{}')", cursor));
        const std::string next = eider_.value("SELECT pg_current_snapshot()");
        eider_.run(fmt::format("COMMIT; SELECT audit.confirm('default', '{}', 1)", next));
        eider_.run("SELECT audit.rotate(); SELECT audit.release()");
        ++rotations;
    };
    while (running > 0) move();
    threads.clear();
    open.run("COMMIT");
    move();
    EXPECT_FALSE(failed);
    EXPECT_GT(rotations, 5);
    EXPECT_EQ(eider_.number("SELECT count(*) FROM moved"), writers * rows + 1);
    EXPECT_EQ(eider_.number("SELECT count(DISTINCT seq) FROM moved"), writers * rows + 1);
}

}  // namespace
}  // namespace eider::test
