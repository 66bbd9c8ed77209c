// Random schedules of what can happen to a batch, by seed: transactions that begin, write, commit, roll back or stay
// open; writers that still write into a former slot; rotations and releases; kills at each step; commits whose answer
// is lost, or that arrive late; sessions and locks that are lost; two processes at once, each stopped at any step for
// as long as the other likes.
//
// What must hold, at each commit to the lake and at the end: each committed change is in the lake exactly once and none
// of a rolled-back transaction is; the versions of a key are in the order of their commits, read by (batch, seq); no
// slot is emptied of a change that is not in the lake.
//
// EIDER_SCHEDULES: how many (20,000; under a sanitizer 2,000). A failing seed prints itself; EIDER_SEED=n runs that one, and prints its steps.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <semaphore>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sync/batch.h"
#include "sync/fakes.h"

namespace eider::sync {
namespace {

using namespace fakes;

constexpr int keys = 5;

// A sanitizer makes each switch between processes many times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t schedules_otherwise = 2'000;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t schedules_otherwise = 2'000;
#else
constexpr std::uint64_t schedules_otherwise = 20'000;
#endif
#else
constexpr std::uint64_t schedules_otherwise = 20'000;
#endif
constexpr const char* consumer_name = "main";

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::size_t below(std::size_t end) { return static_cast<std::size_t>(engine_() % end); }
    bool one_in(int n) { return n > 0 && below(static_cast<std::size_t>(n)) == 0; }

private:
    std::mt19937_64 engine_;
};

// Lets one of several processes run at a time, each on a thread of its own; alone it costs nothing.
class Turns {
public:
    explicit Turns(std::size_t processes) : waiting_(processes) {
        for (auto& turn : waiting_) turn = std::make_unique<std::binary_semaphore>(0);
        is_over_.assign(processes, false);
    }

    void run(const std::vector<std::function<void()>>& processes) {
        if (processes.size() == 1) return processes[0]();
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < processes.size(); ++i) {
            threads.emplace_back([this, i, &processes] {
                waiting_[i]->acquire();
                now_ = i;
                processes[i]();
                is_over_[i] = true;
                if (const auto next = other(i)) waiting_[*next]->release();
            });
        }
        waiting_[0]->release();
    }

    // Stops the running process until somebody passes the turn back.
    void pass() {
        const std::size_t me = now_;
        const auto next = other(me);
        if (!next) return;
        waiting_[*next]->release();
        waiting_[me]->acquire();
        now_ = me;
    }

    std::size_t now() const { return now_; }

private:
    std::optional<std::size_t> other(std::size_t than) const {
        for (std::size_t i = 0; i < is_over_.size(); ++i) {
            if (i != than && !is_over_[i]) return i;
        }
        return std::nullopt;
    }

    std::vector<std::unique_ptr<std::binary_semaphore>> waiting_;
    std::vector<bool> is_over_;
    std::size_t now_ = 0;
};

// How often what happens, one in so many steps; 0: never. Each schedule has its own.
struct Weather {
    int crash = 0;
    int lost_session = 0;
    int lost_lock = 0;  // by a session that lives on: what a pooler between eider and the server does
    int lost_answer = 0;
    int turn = 0;
    int write = 2;
    int open_transactions_max = 4;
    int end_of_transaction = 3;
    int processes = 1;
    int rounds = 10;

    static Weather of(Random& random) {
        const auto pick = [&](std::initializer_list<int> values) {
            return *(values.begin() + random.below(values.size()));
        };
        Weather weather;
        weather.crash = pick({0, 0, 20, 60, 200});
        weather.lost_session = pick({0, 0, 40, 150});
        weather.lost_lock = pick({0, 0, 10, 60});
        weather.lost_answer = pick({0, 2, 4, 10});
        weather.write = pick({1, 2, 4});
        weather.open_transactions_max = pick({1, 2, 4, 6});
        weather.end_of_transaction = pick({2, 3, 8});
        weather.processes = random.one_in(4) ? 2 : 1;
        weather.turn = pick({2, 5, 12});
        weather.rounds = pick({4, 8, 12});
        return weather;
    }
};

class Simulation {
public:
    Simulation(std::uint64_t seed, const Broken& broken, bool is_shown)
        : random_(seed),
          weather_(Weather::of(random_)),
          turns_(static_cast<std::size_t>(weather_.processes)),
          is_shown_(is_shown) {
        database_.broken = broken;
        database_.releasing = [this](std::size_t slot) { check_release(slot); };
        FakeLake(catalog_, [](std::string_view) {
        }).start(consumer_name, "first", std::string(empty_cursor), database_.identity);
        catalog_.broken = broken;
        catalog_.stored = [this](const std::vector<Row>& rows) { check_stored(rows); };
        catalog_.answer = [this] { return answer(); };
    }

    // Nothing, or what was broken.
    std::optional<std::string> run() {
        std::vector<std::function<void()>> processes;
        for (int i = 0; i < weather_.processes; ++i) processes.emplace_back([this] { live(); });
        turns_.run(processes);
        if (!broken_) guarded([&] { finish(); });
        return broken_;
    }

private:
    struct Writer {
        std::uint64_t xid = 0;
        std::optional<std::size_t> slot;  // of a statement that has begun and not written yet
    };

    // One eider after another, each killed, failed or ended.
    void live() {
        for (int round = 0; round < weather_.rounds && !broken_; ++round) guarded([&] { live_once(); });
    }

    void live_once() {
        FakeSource source(database_, [&](std::string_view step) { at(step, source_of_[turns_.now()]); });
        const std::size_t me = turns_.now();
        source_of_[me] = &source;
        source.rotate_min_rows = 1 + random_.below(6);
        FakeLake lake(catalog_, [&, me](std::string_view step) { at(step, source_of_[me]); });
        auto consumer = std::make_unique<Consumer>(source, lake, consumer_name);
        is_ending_[me] = false;
        try {
            work(*consumer);
            is_ending_[me] = true;
            if (random_.one_in(3)) source.end();
        } catch (const Crash&) {
            is_ending_[me] = true;
            source.end();
        } catch (const Violation&) {
            is_ending_[me] = true;  // nothing is thrown while the consumer goes
            throw;
        }
        consumer.reset();
        source_of_[me] = nullptr;
    }

    void work(Consumer& consumer) {
        for (std::size_t left = 1 + random_.below(6); left > 0 && !broken_; --left) {
            try {
                if (!consumer.batch()) write_some();
            } catch (const Error& error) {
                show(fmt::format("{}: {}", info(error.kind()).name, error.what()));
                if (info(error.kind()).recovery == Recovery::stop) return;
                // A consumer must take being asked again, though the loop would connect anew.
                if (random_.one_in(2)) return;
            }
        }
    }

    // All transactions end, all processes are gone; then one batch after another until nothing is left. The first
    // process looks idle once before the last transactions end: what it remembers of that look must not fool it.
    void finish() {
        is_calm_ = true;
        catalog_.settle();
        FakeSource source(database_, [&](std::string_view step) { show(step); });
        FakeLake lake(catalog_, [&](std::string_view step) { show(step); });
        Consumer consumer(source, lake, consumer_name);
        drain(consumer);
        while (!writers_.empty()) {
            end_writer(random_.below(writers_.size()));
            drain(consumer);
            check_complete();
        }
        check_order();
        if (source.has_changes(catalog_.consumers[consumer_name].head.cursor))
            throw Violation("there is something left for ever");
    }

    void drain(Consumer& consumer) {
        for (int batches = 0; consumer.batch(); ++batches) {
            if (batches > 10) throw Violation("batches without an end");
        }
    }

    // What a process meets between any two effects.
    void at(std::string_view step, FakeSource* source) {
        const std::size_t me = turns_.now();
        if (is_shown_) show(fmt::format("[{}] {}", me, step));
        if (is_calm_ || broken_) return;
        if (random_.one_in(weather_.write)) write_some();
        if (random_.one_in(20)) catalog_.settle();
        if (random_.one_in(weather_.lost_session) && source != nullptr) {
            show("the session ends");
            source->end();
        }
        if (random_.one_in(weather_.lost_lock)) {
            show("the lock is lost");
            database_.locks.clear();
        }
        if (weather_.processes > 1 && random_.one_in(weather_.turn)) turns_.pass();
        if (random_.one_in(weather_.crash) && !is_ending_[me]) {
            show("killed");
            throw Crash();
        }
    }

    Answer answer() {
        if (is_calm_ || !random_.one_in(weather_.lost_answer)) return Answer::committed;
        const std::array bad{Answer::refused, Answer::lost_after, Answer::lost_before, Answer::arrives_late};
        const std::size_t which = random_.below(bad.size());
        show(fmt::format("commit: answer {}", which));
        return bad[which];
    }

    // --- the application ---

    void write_some() {
        for (std::size_t left = 1 + random_.below(4); left > 0; --left) write_one();
    }

    void write_one() {
        if (writers_.empty() ||
            (writers_.size() < static_cast<std::size_t>(weather_.open_transactions_max) && random_.one_in(3))) {
            writers_.push_back({.xid = database_.begin()});
            return;
        }
        const std::size_t which = random_.below(writers_.size());
        Writer& writer = writers_[which];
        if (!writer.slot) {
            if (random_.one_in(weather_.end_of_transaction)) end_writer(which);
            else writer.slot = database_.slot_of_a_new_statement();
            return;
        }
        const int key = static_cast<int>(random_.below(keys));
        if (!database_.may_write(writer.xid, key)) return;
        database_.write(writer.xid, *writer.slot, key);
        if (random_.one_in(2)) writer.slot.reset();
    }

    void end_writer(std::size_t which) {
        if (random_.one_in(4)) database_.roll_back(writers_[which].xid);
        else database_.commit(writers_[which].xid);
        writers_.erase(writers_.begin() + static_cast<std::ptrdiff_t>(which));
    }

    // --- the promises ---

    void check_stored(const std::vector<Row>& rows) {
        for (const Row& row : rows) {
            if (!database_.is_committed(row.xid))
                throw Violation(fmt::format("change {} was never committed", row.seq));
            if (!in_lake_.insert(row.seq).second) throw Violation(fmt::format("change {} arrived twice", row.seq));
        }
    }

    void check_release(std::size_t slot) {
        for (const Row& row : database_.slots[slot]) {
            if (database_.is_committed(row.xid) && !in_lake_.contains(row.seq)) {
                throw Violation(fmt::format("slot {} was emptied of change {}", slot, row.seq));
            }
        }
    }

    void check_complete() {
        for (const Row& row : database_.history) {
            if (!in_lake_.contains(row.seq)) throw Violation(fmt::format("change {} never arrived", row.seq));
        }
        if (in_lake_.size() != database_.history.size()) throw Violation("there is more than was committed");
    }

    void check_order() {
        std::map<int, std::vector<std::int64_t>> committed;
        for (const Row& row : database_.history) committed[row.key].push_back(row.seq);
        auto events = catalog_.events;
        std::stable_sort(events.begin(), events.end(), [](const Stored& a, const Stored& b) {
            return std::pair(a.batch, a.row.seq) < std::pair(b.batch, b.row.seq);
        });
        std::map<int, std::vector<std::int64_t>> arrived;
        for (const auto& event : events) arrived[event.row.key].push_back(event.row.seq);
        if (arrived != committed) throw Violation("a key's versions are not in the order of their commits");
    }

    // --- how it is told ---

    template <typename Action>
    void guarded(Action action) {
        try {
            action();
        } catch (const Violation& violation) {
            if (!broken_) broken_ = violation.what();
        } catch (const Error& error) {
            if (!broken_)
                broken_ = fmt::format("an error nobody expected: {}: {}", info(error.kind()).name, error.what());
        }
    }

    void show(std::string_view line) const {
        if (is_shown_) std::cerr << line << "   (" << database_.to_string() << ")\n";
    }

    Random random_;
    Weather weather_;
    Turns turns_;
    bool is_shown_;
    bool is_calm_ = false;
    FakeDatabase database_;
    FakeCatalog catalog_;
    std::vector<Writer> writers_;
    std::set<std::int64_t> in_lake_;
    std::array<FakeSource*, 2> source_of_{};
    std::array<bool, 2> is_ending_{};
    std::optional<std::string> broken_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* value = std::getenv(variable);
    return value == nullptr || *value == '\0' ? otherwise : std::strtoull(value, nullptr, 10);
}

TEST(Simulation, KeepsEveryPromiseInEverySchedule) {
    if (const std::uint64_t seed = number_from("EIDER_SEED", 0); seed != 0) {
        EXPECT_EQ(Simulation(seed, {}, true).run(), std::nullopt);
        return;
    }
    const std::uint64_t schedules = number_from("EIDER_SCHEDULES", schedules_otherwise);
    for (std::uint64_t seed = 1; seed <= schedules; ++seed) {
        const auto broken = Simulation(seed, {}, false).run();
        ASSERT_EQ(broken, std::nullopt) << "EIDER_SEED=" << seed << " shows the steps";
    }
}

// What a schedule finds when a part of the protocol is taken away. It must be found soon, or the test above proves
// little.
std::optional<std::string> found(const Broken& broken) {
    for (std::uint64_t seed = 1; seed <= 5'000; ++seed) {
        if (auto what = Simulation(seed, broken, false).run()) return what;
    }
    return std::nullopt;
}

TEST(TheSimulation, NoticesAMissingFence) {
    EXPECT_TRUE(found({.no_fence = true}));
}

TEST(TheSimulation, NoticesAnAppendThatDoesNotLookAtTheHead) {
    EXPECT_TRUE(found({.no_look_at_the_head = true}));
}

TEST(TheSimulation, NoticesACursorThatIsNotAtomic) {
    EXPECT_TRUE(found({.cursor_is_not_atomic = true}));
}

TEST(TheSimulation, NoticesAReleaseThatIgnoresOpenWriters) {
    EXPECT_TRUE(found({.release_ignores_open_writers = true}));
}

TEST(TheSimulation, NoticesAReleaseThatDoesNotLookAgainUnderTheLock) {
    EXPECT_TRUE(found({.release_looks_once = true}));
}

TEST(TheSimulation, NoticesAReleaseThatForgetsTheCursor) {
    EXPECT_TRUE(found({.release_forgets_the_cursor = true}));
}

TEST(TheSimulation, NoticesABatchThatReadsTheActiveSlotOnly) {
    EXPECT_TRUE(found({.reads_the_active_slot_only = true}));
}

TEST(TheSimulation, NoticesABatchWithoutAFrozenSnapshot) {
    EXPECT_TRUE(found({.snapshot_is_not_frozen = true}));
}

TEST(TheSimulation, NoticesAnIdleLookThatTrustsTheSequence) {
    EXPECT_TRUE(found({.quiet_counts_draws_only = true}));
}

TEST(TheSimulation, NoticesAProcessThatLetsGoOfAnothersEpoch) {
    EXPECT_TRUE(found({.lets_go_of_others = true}));
}

}  // namespace
}  // namespace eider::sync
