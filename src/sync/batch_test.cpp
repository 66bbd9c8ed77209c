#include "sync/batch.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sync/fakes.h"

namespace eider::sync {
namespace {

using namespace fakes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <typename Action>
Error error_of(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorKind::internal, "nothing was thrown"};
}

class Consumers : public testing::Test {
protected:
    // A process: its session, its connection to the lake, its consumer.
    struct Process {
        explicit Process(Consumers& test)
            : source(test.database_, [&test](std::string_view step) { test.at(step); }),
              lake(test.catalog_, [&test](std::string_view step) { test.at(step); }),
              consumer(std::make_unique<Consumer>(source, lake, "main")) {}

        std::optional<BatchReport> batch() { return consumer->batch(); }
        void end() { consumer.reset(); }
        void kill() {
            source.end();
            consumer.reset();
        }

        FakeSource source;
        FakeLake lake;
        std::unique_ptr<Consumer> consumer;
    };

    Consumers() {
        FakeLake(catalog_, [](std::string_view) {
        }).start("main", "first", std::string(empty_cursor), database_.identity);
    }

    void at(std::string_view step) {
        steps_.emplace_back(step);
        if (on_step_) on_step_(step);
    }

    std::vector<int> keys() const {
        std::vector<int> keys;
        for (const auto& event : catalog_.events) keys.push_back(event.row.key);
        return keys;
    }

    bool passed(std::string_view step) const { return std::find(steps_.begin(), steps_.end(), step) != steps_.end(); }

    FakeDatabase database_;
    FakeCatalog catalog_;
    std::vector<std::string> steps_;
    std::function<void(std::string_view)> on_step_;
};

TEST_F(Consumers, MoveWhatWasCommittedAndNothingElse) {
    Process process(*this);
    database_.change(1);
    const std::uint64_t open = database_.begin();
    database_.write(open, 0, 2);
    const std::uint64_t undone = database_.begin();
    database_.write(undone, 0, 3);
    database_.roll_back(undone);
    database_.change(4);

    const auto report = process.batch();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->batch, 1);
    EXPECT_EQ(report->moved.events, 2);
    EXPECT_THAT(keys(), ElementsAre(1, 4));

    database_.commit(open);
    EXPECT_EQ(process.batch()->batch, 2);
    EXPECT_THAT(keys(), ElementsAre(1, 4, 2));
    EXPECT_EQ(process.batch(), std::nullopt);
}

TEST_F(Consumers, CountWhatArrives) {
    Process process(*this);
    database_.change(1);
    database_.change(2);
    std::atomic<std::int64_t> running = 10;
    process.consumer->batch(&running);
    EXPECT_EQ(running, 12);
}

TEST_F(Consumers, OpenNoLakeTransactionForNothing) {
    Process process(*this);
    const std::int64_t version = catalog_.version;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(process.batch(), std::nullopt);
    EXPECT_EQ(catalog_.version, version);
    EXPECT_EQ(process.lake.takeovers, 0);
    EXPECT_FALSE(passed("lake.append"));
    EXPECT_FALSE(passed("source.claim"));
    EXPECT_EQ(process.source.looks_at_slots, 3);
}

TEST_F(Consumers, SeeTheEndOfATransactionThatDrewItsNumberLongAgo) {
    Process process(*this);
    const std::uint64_t slow = database_.begin();
    database_.write(slow, 0, 1);
    EXPECT_EQ(process.batch(), std::nullopt);
    database_.commit(slow);
    EXPECT_TRUE(process.batch());
    EXPECT_THAT(keys(), ElementsAre(1));
}

TEST_F(Consumers, ConfirmEachBatchSoThatSlotsAreFreed) {
    Process process(*this);
    for (int round = 0; round < 10; ++round) {
        for (int key = 0; key < 4; ++key) database_.change(key);
        process.batch();
        EXPECT_EQ(database_.consumers["main"].batch, round + 1);
    }
    EXPECT_TRUE(passed("source.rotated"));
    EXPECT_LE(database_.slots[0].size() + database_.slots[1].size() + database_.slots[2].size(), 8U);
    EXPECT_EQ(catalog_.events.size(), 40U);
}

TEST_F(Consumers, MakeUpForALostConfirmationAtTheirNextStart) {
    database_.change(1);
    {
        Process process(*this);
        on_step_ = [](std::string_view step) {
            if (step == "source.confirm") throw Crash();
        };
        EXPECT_THROW(process.batch(), Crash);
        on_step_ = nullptr;
        process.kill();
    }
    EXPECT_EQ(database_.consumers["main"].batch, 0);
    database_.change(2);
    Process next(*this);
    on_step_ = [&](std::string_view step) {
        EXPECT_TRUE(step != "lake.append" || database_.consumers["main"].batch == 1);
    };
    next.batch();
    on_step_ = nullptr;
    EXPECT_EQ(database_.consumers["main"].batch, 2);
    EXPECT_THAT(keys(), ElementsAre(1, 2));
}

TEST_F(Consumers, WaitForTheOneWhoHasTheLock) {
    database_.change(1);
    Process first(*this);
    first.batch();
    Process second(*this);
    EXPECT_EQ(error_of([&] { second.batch(); }).kind(), ErrorKind::running);
    EXPECT_FALSE(passed("lake.append") && catalog_.events.size() != 1);
    first.end();
    first.source.end();
    EXPECT_EQ(second.batch(), std::nullopt);
}

TEST_F(Consumers, NeedNotTakeOverFromOneThatLetGo) {
    database_.change(1);
    Process first(*this);
    first.batch();
    EXPECT_EQ(first.lake.takeovers, 1);
    first.end();
    first.source.end();

    database_.change(2);
    Process second(*this);
    second.batch();
    EXPECT_EQ(second.lake.takeovers, 0);
    EXPECT_THAT(keys(), ElementsAre(1, 2));
    EXPECT_FALSE(database_.consumers["main"].let_go);
}

TEST_F(Consumers, TakeOverFromOneThatWasKilled) {
    database_.change(1);
    Process first(*this);
    first.batch();
    const std::string epoch = catalog_.consumers["main"].head.epoch;
    first.kill();

    database_.change(2);
    Process second(*this);
    second.batch();
    EXPECT_EQ(second.lake.takeovers, 1);
    EXPECT_NE(catalog_.consumers["main"].head.epoch, epoch);
}

TEST_F(Consumers, DoNotLetGoOfWhatTheyNeverHeld) {
    Process first(*this);
    first.batch();
    first.end();
    EXPECT_FALSE(passed("source.let_go"));
}

TEST_F(Consumers, DoNotLetGoAfterABatchWhoseEndTheyDoNotKnow) {
    database_.change(1);
    Process first(*this);
    catalog_.answer = [n = 0]() mutable { return ++n == 2 ? Answer::lost_after : Answer::committed; };
    EXPECT_EQ(error_of([&] { first.batch(); }).kind(), ErrorKind::in_doubt);
    first.end();
    EXPECT_FALSE(database_.consumers["main"].let_go);
}

TEST_F(Consumers, StopWhenAnotherHasTakenOver) {
    database_.change(1);
    Process first(*this);
    first.batch();
    database_.locks.clear();
    database_.change(2);
    Process second(*this);
    second.batch();

    database_.change(3);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(error_of([&] { first.batch(); }).kind(), ErrorKind::fenced);
    second.batch();
    EXPECT_THAT(keys(), ElementsAre(1, 2, 3));
}

TEST_F(Consumers, FailInTheMiddleOfABatchWhenAnotherTakesOver) {
    database_.change(1);
    Process first(*this);
    first.batch();
    database_.change(2);
    Process second(*this);
    on_step_ = [&](std::string_view step) {
        if (step != "lake.append.commit") return;
        on_step_ = nullptr;
        database_.locks.clear();
        second.batch();
    };
    EXPECT_EQ(error_of([&] { first.batch(); }).kind(), ErrorKind::lake_conflict);
    EXPECT_EQ(error_of([&] { first.batch(); }).kind(), ErrorKind::fenced);
    EXPECT_THAT(keys(), ElementsAre(1, 2));
}

TEST_F(Consumers, GoOnFromWhatTheLakeSaysAfterALostAnswer) {
    for (const Answer lost : {Answer::lost_after, Answer::lost_before, Answer::refused}) {
        const auto before = keys().size();
        Process process(*this);
        database_.change(1);
        process.batch();
        database_.change(2);
        catalog_.answer = [lost, n = 0]() mutable { return ++n == 1 ? lost : Answer::committed; };
        EXPECT_THROW(process.batch(), Error);
        database_.change(3);
        while (process.batch()) {
        }
        EXPECT_EQ(keys().size(), before + 3);
    }
}

// The server may carry out a COMMIT after its sender has connected anew: synchronous replication, a pooler, a slow
// network. Only a takeover is sure to come after it.
TEST_F(Consumers, AreNotFooledByACommitThatArrivesLate) {
    database_.change(1);
    Process process(*this);
    process.batch();
    database_.change(2);
    catalog_.answer = [n = 0]() mutable { return ++n == 1 ? Answer::arrives_late : Answer::committed; };
    EXPECT_EQ(error_of([&] { process.batch(); }).kind(), ErrorKind::in_doubt);
    for (int i = 0; i < 5; ++i) {
        try {
            if (!process.batch()) break;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::lake_conflict);
        }
    }
    catalog_.settle();
    EXPECT_THAT(keys(), ElementsAre(1, 2));
    EXPECT_EQ(catalog_.consumers["main"].head.batch, 2) << "no empty batch after the late one";
    EXPECT_EQ(database_.consumers["main"].batch, 2) << "which was confirmed all the same";
}

TEST_F(Consumers, LeaveTheLakeRightWhereverTheyAreKilled) {
    for (std::size_t fatal = 1;; ++fatal) {
        SCOPED_TRACE(fatal);
        database_ = {};
        catalog_ = {};
        on_step_ = nullptr;
        FakeLake(catalog_, [](std::string_view) {
        }).start("main", "first", std::string(empty_cursor), database_.identity);
        for (int key = 0; key < 4; ++key) database_.change(key);
        bool was_killed = false;
        {
            Process process(*this);
            steps_.clear();
            on_step_ = [&](std::string_view) {
                if (steps_.size() == fatal) throw Crash();
            };
            try {
                process.batch();
                database_.change(4);
                process.batch();
            } catch (const Crash&) {
                was_killed = true;
                on_step_ = nullptr;
                process.kill();
            }
            on_step_ = nullptr;
        }
        database_.change(5);
        Process next(*this);
        while (next.batch()) {
        }
        EXPECT_EQ(keys().size(), database_.history.size());
        EXPECT_EQ(database_.consumers["main"].batch, catalog_.consumers["main"].head.batch);
        if (!was_killed) {
            EXPECT_GT(fatal, 25U) << "steps";
            break;
        }
    }
}

TEST_F(Consumers, NameWhatIsMissingWhereTheyWereNeverStarted) {
    catalog_.consumers.clear();
    Process process(*this);
    const Error error = error_of([&] { process.batch(); });
    EXPECT_EQ(error.kind(), ErrorKind::lake_unavailable);
    EXPECT_THAT(error.hint(), HasSubstr("eider init"));
}

class Identity : public Consumers {
protected:
    // Whatever does not fit: refused before anything is changed, each time, and nothing held.
    void expect_refused(std::string_view names) {
        const std::int64_t version = catalog_.version;
        const auto consumers = database_.consumers.size();
        Process process(*this);
        for (int i = 0; i < 2; ++i) {
            const Error error = error_of([&] { process.batch(); });
            EXPECT_EQ(error.kind(), ErrorKind::source_changed);
            EXPECT_THAT(error.what(), HasSubstr(names));
            EXPECT_NE(error.hint(), "");
        }
        EXPECT_EQ(catalog_.version, version);
        EXPECT_EQ(database_.consumers.size(), consumers);
        process.end();
        EXPECT_FALSE(passed("source.let_go"));
    }
};

TEST_F(Identity, OfAnotherClusterIsRefused) {
    database_.change(1);
    database_.identity.system_identifier = "99";
    expect_refused("99");
}

TEST_F(Identity, OfAnotherDatabaseIsRefused) {
    database_.change(1);
    database_.identity.database = "other";
    expect_refused("other");
}

TEST_F(Identity, OfAnotherInstallationIsRefused) {
    database_.change(1);
    database_.identity.installation = "two";
    expect_refused("two");
}

TEST_F(Identity, SetBackInTimeIsRefused) {
    database_.change(1);
    catalog_.consumers["main"].head.cursor = "5000:5000:";
    expect_refused("4999");
}

TEST_F(Identity, OfAnOlderCopyOfTheLakeIsRefused) {
    database_.change(1);
    database_.consumers["main"] = {.batch = 7, .cursor = "700:700:", .epoch = "other"};
    expect_refused("batch 7");
}

TEST_F(Identity, IsLookedAtAgainAfterEachError) {
    Process process(*this);
    database_.change(1);
    catalog_.answer = [] { return Answer::refused; };
    EXPECT_THROW(process.batch(), Error);
    catalog_.answer = [n = 0]() mutable { return ++n == 2 ? Answer::refused : Answer::committed; };
    EXPECT_EQ(error_of([&] { process.batch(); }).kind(), ErrorKind::lake_unavailable);
    catalog_.answer = [] { return Answer::committed; };
    database_.identity.installation = "two";
    EXPECT_EQ(error_of([&] { process.batch(); }).kind(), ErrorKind::source_changed);
    EXPECT_THAT(keys(), IsEmpty());
}

}  // namespace
}  // namespace eider::sync
