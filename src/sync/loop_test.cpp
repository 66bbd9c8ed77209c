#include "sync/loop.h"

#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sync/fakes.h"

namespace eider::sync {
namespace {

using namespace fakes;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::Le;
using testing::SizeIs;

// A loop on fakes, in a time of its own that passes only where the loop waits or a test says so.
class Loops : public testing::Test {
protected:
    Loops() {
        FakeLake(catalog_, [](std::string_view) {
        }).start("main", "first", std::string(empty_cursor), database_.identity);
    }

    LoopOptions options() {
        const auto at = [this](std::string_view step) {
            if (on_step_) on_step_(step);
        };
        return {
            .consumer = "main",
            .connect =
                [this, at] {
                    ++connections_;
                    if (on_connect_) on_connect_();
                    return Sides{.source = std::make_unique<FakeSource>(database_, at),
                                 .lake = std::make_unique<FakeLake>(catalog_, at)};
                },
            .before_batch = [this](Sides&) { ++looks_; },
            .moved = [this](Sides&, const BatchReport& report) { moved_.push_back(report.batch); },
            .retrying = [this](const Error& error, milliseconds wait) { retries_.emplace_back(error.kind(), wait); },
            .now = [this] { return now_; },
            .wait =
                [this](milliseconds time, const std::stop_token&) {
                    now_ += time;
                    waits_.push_back(time);
                    if (on_wait_) on_wait_();
                    if (waits_.size() >= waits_max_) stop_.request_stop();
                }};
    }

    // Until it has waited `waits` times.
    void run(std::size_t waits, milliseconds interval = 1s) {
        waits_max_ = waits;
        Loop(options()).every(interval, stop_.get_token());
    }

    std::vector<int> keys() const {
        std::vector<int> keys;
        for (const auto& event : catalog_.events) keys.push_back(event.row.key);
        return keys;
    }

    FakeDatabase database_;
    FakeCatalog catalog_;
    std::stop_source stop_;
    Step on_step_;
    std::function<void()> on_connect_;
    std::function<void()> on_wait_;
    std::chrono::steady_clock::time_point now_;
    std::size_t waits_max_ = 1000;
    std::vector<milliseconds> waits_;
    std::vector<std::pair<ErrorKind, milliseconds>> retries_;
    std::vector<std::int64_t> moved_;
    int connections_ = 0;
    int looks_ = 0;
};

TEST_F(Loops, WaitTheIntervalBetweenTwoLooksAlsoWhenThereIsNothing) {
    run(5, 250ms);
    EXPECT_EQ(looks_, 5);
    EXPECT_THAT(waits_, AllOf(SizeIs(5), Each(250ms)));
    EXPECT_EQ(connections_, 1);
}

TEST_F(Loops, MoveWhatWasCommittedMeanwhile) {
    on_wait_ = [&] { database_.change(static_cast<int>(waits_.size())); };
    run(3);
    EXPECT_THAT(keys(), ElementsAre(1, 2));
    EXPECT_THAT(moved_, ElementsAre(1, 2));
}

TEST_F(Loops, CountTheTimeOfABatchIntoTheInterval) {
    database_.change(1);
    on_step_ = [&](std::string_view step) {
        if (step == "lake.append") now_ += 300ms;
    };
    run(2);
    EXPECT_THAT(waits_, ElementsAre(700ms, 1000ms));
}

TEST_F(Loops, LookAtOnceAfterABatchThatTookLongerThanTheInterval) {
    database_.change(1);
    on_step_ = [&](std::string_view step) {
        if (step == "lake.append") now_ += 3s;
    };
    run(2);
    EXPECT_THAT(waits_, ElementsAre(0ms, 1000ms));
}

TEST_F(Loops, TryAgainAfterEachKindOfErrorThatWaitingCanMendAndStopAtTheOthers) {
    for (const auto& kind : error_kinds()) {
        SCOPED_TRACE(kind.name);
        connections_ = 0;
        retries_.clear();
        waits_.clear();
        stop_ = {};
        on_connect_ = [&] {
            if (connections_ == 1) throw Error(kind.kind, "the first try");
        };
        if (kind.recovery == Recovery::retry) {
            run(2);
            EXPECT_EQ(connections_, 2);
            ASSERT_THAT(retries_, SizeIs(1));
            EXPECT_EQ(retries_[0].first, kind.kind);
        } else {
            EXPECT_THROW(run(2), Error);
            EXPECT_EQ(connections_, 1);
            EXPECT_THAT(waits_, SizeIs(0)) << "it waited before it gave up";
            EXPECT_THAT(retries_, SizeIs(0));
        }
    }
}

TEST_F(Loops, ConnectAnewAfterAnErrorAndMoveEachChangeOnce) {
    database_.change(1);
    int failures = 0;
    on_step_ = [&](std::string_view step) {
        // Before the commit, and after it: the second time the change is in the lake, and must not come twice.
        if ((step == "lake.append.commit" || step == "source.confirm") && failures < 2 &&
            connections_ == failures + 1) {
            ++failures;
            throw Error(ErrorKind::source_lost, "cut");
        }
    };
    run(4);
    EXPECT_EQ(failures, 2);
    EXPECT_EQ(connections_, 3);
    EXPECT_THAT(keys(), ElementsAre(1));
}

TEST_F(Loops, WaitLongerAfterEachFailureInARowAndNeverLessThanATenthOfASecond) {
    on_connect_ = [] { throw Error(ErrorKind::source_unavailable, "down"); };
    run(12);
    EXPECT_EQ(connections_, 12);
    EXPECT_THAT(waits_, Each(AllOf(Ge(100ms), Le(30s))));
    EXPECT_THAT(waits_.back(), Ge(15s));
    for (std::size_t i = 0; i < waits_.size(); ++i) EXPECT_EQ(retries_.at(i).second, waits_.at(i));
}

TEST_F(Loops, BeginWithAShortWaitAgainOnceThereWasASuccess) {
    on_connect_ = [&] {
        if (connections_ != 9) throw Error(ErrorKind::source_unavailable, "down");
    };
    on_wait_ = [&] {
        // After the success: the next look finds the connection broken.
        if (connections_ == 9) on_step_ = [](std::string_view) { throw Error(ErrorKind::source_lost, "cut"); };
    };
    run(10);
    ASSERT_THAT(waits_, SizeIs(10));
    EXPECT_THAT(waits_[7], Ge(10s));
    EXPECT_EQ(waits_[8], 1s);
    EXPECT_THAT(waits_[9], Le(200ms));
}

TEST_F(Loops, FinishTheRunningBatchAtAStopAndBeginNoOther) {
    database_.change(1);
    on_step_ = [&](std::string_view step) {
        if (step != "lake.append.stream") return;
        stop_.request_stop();
        database_.change(2);
    };
    Loop(options()).every(1s, stop_.get_token());
    EXPECT_THAT(moved_, ElementsAre(1));
    EXPECT_THAT(keys(), ElementsAre(1));
    EXPECT_EQ(looks_, 1);
    EXPECT_TRUE(database_.consumers.at("main").let_go) << "the next run would have to take over";
}

TEST_F(Loops, UntilEmptyEndAtAStopToo) {
    database_.change(1);
    on_step_ = [&](std::string_view step) {
        if (step != "lake.append.stream") return;
        stop_.request_stop();
        database_.change(2);
    };
    Loop(options()).until_empty(stop_.get_token());
    EXPECT_THAT(keys(), ElementsAre(1));
}

TEST_F(Loops, UntilEmptyEndWhenNothingIsLeft) {
    database_.change(1);
    on_step_ = [&](std::string_view step) {
        if (step == "lake.append.stream" && database_.history.size() < 4) database_.change(5);
    };
    Loop(options()).until_empty(stop_.get_token());
    EXPECT_THAT(keys(), ElementsAre(1, 5, 5, 5));
    EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(Loops, LookWhetherTheSourceIsTheLakesBeforeAnythingElseIsDoneToIt) {
    database_.identity.installation = "another";
    EXPECT_THROW(Loop(options()).once(), Error);
    EXPECT_EQ(looks_, 0);
}

TEST(Backoff, DoublesFromAFifthOfASecondToHalfAMinuteHalfOfItByChance) {
    EXPECT_EQ(backoff(1, 0), 100ms);
    EXPECT_EQ(backoff(1, 1), 200ms);
    EXPECT_EQ(backoff(2, 1), 400ms);
    EXPECT_EQ(backoff(8, 1), 25'600ms);
    EXPECT_EQ(backoff(9, 1), 30s);
    EXPECT_EQ(backoff(9, 0), 15s);
    EXPECT_EQ(backoff(1'000'000, 1), 30s);
}

TEST(WaitOrStop, EndsAtAStop) {
    std::stop_source stop;
    std::jthread other([&] { stop.request_stop(); });
    wait_or_stop(24h, stop.get_token());  // else the test does not end
    EXPECT_TRUE(stop.stop_requested());
}

}  // namespace
}  // namespace eider::sync
