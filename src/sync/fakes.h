// A PostgreSQL and a DuckLake in memory, for tests of the batch: what of them decides whether a change arrives once.
//
// Modelled of PostgreSQL: transaction ids and snapshots as pg_current_snapshot() gives them (the list ends at the last
// id that is over), the sequence, row locks, the slots with writers that still write into a former one, TRUNCATE that
// no snapshot protects from, sessions and the advisory lock that goes with them. Of DuckLake: appends never conflict,
// unless a row of the log was deleted since; a COMMIT whose answer is lost may have arrived, may not have, or may
// arrive later, but before the next one.
// `at` is called before and after each effect, as "source.confirm" and "source.confirmed" for instance: a test throws
// Crash or an Error from it, ends sessions, lets others write, or runs another process.
// Threads: none of its own; whoever uses it from several lets one run at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/snapshot.h"
#include "capture/source.h"
#include "lake/lake.h"

namespace eider::sync::fakes {

// The process is killed here: no Error, so that nothing in eider catches it.
struct Crash {};

// The model itself found that a promise is broken.
class Violation : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

// Called between any two effects with the name of the step.
using Step = std::function<void(std::string_view)>;

// What a test takes away, to see that somebody notices.
struct Broken {
    bool release_ignores_open_writers = false;
    bool release_looks_once = false;          // not again under the lock
    bool release_forgets_the_cursor = false;  // looks at no consumer at all
    bool reads_the_active_slot_only = false;
    bool snapshot_is_not_frozen = false;   // a batch reads what is committed by the time it reads
    bool quiet_counts_draws_only = false;  // an idle look trusts the sequence alone
    bool lets_go_of_others = false;        // whoever ends notes it, also where another is noted by then
    bool no_fence = false;                 // deleting the epoch's row disturbs no append
    bool no_look_at_the_head = false;      // an append checks neither epoch nor cursor
    bool cursor_is_not_atomic = false;     // events are committed before their cursor
};

struct Row {
    std::int64_t seq = 0;
    std::uint64_t xid = 0;
    int key = 0;
};

class FakeDatabase {
public:
    static constexpr std::size_t slot_count = 3;

    // --- what applications do ---

    // A transaction with an id: one that has written, or will.
    std::uint64_t begin() {
        running_.insert(next_xid_);
        return next_xid_++;
    }

    // The slot a statement that starts now will write to; it may be a former one by the time it does.
    std::size_t slot_of_a_new_statement() const { return active; }

    bool may_write(std::uint64_t xid, int key) const {
        const auto holder = row_locks_.find(key);
        return holder == row_locks_.end() || holder->second == xid;
    }

    void write(std::uint64_t xid, std::size_t slot, int key) {
        row_locks_[key] = xid;
        slots[slot].push_back({.seq = ++last_seq, .xid = xid, .key = key});
        writes_[xid].push_back(slots[slot].back());
    }

    void commit(std::uint64_t xid) {
        committed_.insert(xid);
        for (const Row& row : writes_[xid]) history.push_back(row);
        end(xid);
    }

    void roll_back(std::uint64_t xid) { end(xid); }

    // A whole transaction of one row.
    void change(int key) {
        const std::uint64_t xid = begin();
        write(xid, slot_of_a_new_statement(), key);
        commit(xid);
    }

    // --- what the server knows ---

    std::string snapshot() const {
        const std::uint64_t xmax = last_ended_ + 1;
        std::vector<std::uint64_t> below;
        std::copy_if(running_.begin(), running_.end(), std::back_inserter(below),
                     [&](std::uint64_t xid) { return xid < xmax; });
        return fmt::format("{}:{}:{}", below.empty() ? xmax : below.front(), xmax, fmt::join(below, ","));
    }

    bool is_committed(std::uint64_t xid) const { return committed_.contains(xid); }

    bool is_written_by_an_open_transaction(std::size_t slot) const {
        return std::any_of(slots[slot].begin(), slots[slot].end(),
                           [&](const Row& row) { return running_.contains(row.xid); });
    }

    std::string to_string() const {
        return fmt::format("snapshot {}, active slot {}, rows {}/{}/{}", snapshot(), active, slots[0].size(),
                           slots[1].size(), slots[2].size());
    }

    SourceIdentity identity{.system_identifier = "73", .database = "shop", .installation = "one"};
    std::array<std::vector<Row>, slot_count> slots;
    std::size_t active = 0;
    std::int64_t last_seq = 0;
    std::map<std::string, capture::Confirmed> consumers;
    std::map<std::string, int> locks;  // consumer -> session
    int readers = 0;                   // sessions that read the slots now
    int last_session = 0;
    std::vector<Row> history;                         // what was committed, in the order of commits
    std::function<void(std::size_t slot)> releasing;  // called before a slot is emptied
    Broken broken;

private:
    void end(std::uint64_t xid) {
        running_.erase(xid);
        last_ended_ = std::max(last_ended_, xid);
        std::erase_if(row_locks_, [&](const auto& lock) { return lock.second == xid; });
    }

    std::uint64_t next_xid_ = 700;
    std::uint64_t last_ended_ = 699;
    std::set<std::uint64_t> running_;
    std::set<std::uint64_t> committed_;
    std::map<std::uint64_t, std::vector<Row>> writes_;
    std::map<int, std::uint64_t> row_locks_;
};

class FakeStream : public EventStream {
public:
    FakeStream(std::vector<Row> rows, const bool& is_dead) : rows_(std::move(rows)), is_dead_(is_dead) {}

    const Event* next() override {
        if (is_dead_) throw Error(ErrorKind::source_lost, "the session has ended");
        if (at_ == rows_.size()) return nullptr;
        const Row& row = rows_[at_++];
        name_ = fmt::format("{}", row.key);
        event_ = {
            .seq = row.seq, .xid = row.xid, .op = 'U', .table_schema = "public", .table_name = name_, .data = "{}"};
        return &event_;
    }

private:
    std::vector<Row> rows_;
    std::size_t at_ = 0;
    const bool& is_dead_;
    std::string name_;
    Event event_;
};

// One session of the database.
class FakeSource : public capture::Source {
public:
    FakeSource(FakeDatabase& database, Step at)
        : database_(database), at_(std::move(at)), session_(++database.last_session) {}
    ~FakeSource() override { end(); }
    FakeSource(const FakeSource&) = delete;
    FakeSource& operator=(const FakeSource&) = delete;

    // The server forgets this session; it notices at its next statement.
    void end() {
        is_dead_ = true;
        std::erase_if(database_.locks, [&](const auto& lock) { return lock.second == session_; });
    }

    bool is_dead() const { return is_dead_; }

    SourceIdentity identity() override {
        before("source.identity");
        return database_.identity;
    }

    bool lock(const std::string& consumer) override {
        before("source.lock");
        const auto [holder, is_new] = database_.locks.try_emplace(consumer, session_);
        const bool is_mine = holder->second == session_;
        after("source.locked");
        return is_mine;
    }

    std::optional<capture::Confirmed> confirmed(const std::string& consumer) override {
        before("source.look_confirmed");
        const auto found = database_.consumers.find(consumer);
        if (found == database_.consumers.end()) return std::nullopt;
        return found->second;
    }

    void claim(const std::string& consumer, const std::string& epoch) override {
        before("source.claim");
        auto& note = database_.consumers.try_emplace(consumer, capture::Confirmed{.cursor = std::string(empty_cursor)})
                         .first->second;
        note.epoch = epoch;
        note.let_go = false;
        after("source.claimed");
    }

    bool reclaim(const std::string& consumer, const std::string& epoch) override {
        before("source.reclaim");
        const auto found = database_.consumers.find(consumer);
        const bool is_free = found != database_.consumers.end() && found->second.epoch == epoch && found->second.let_go;
        if (is_free) found->second.let_go = false;
        after("source.claimed");
        return is_free;
    }

    std::uint64_t next_xid() override {
        before("source.next_xid");
        return Snapshot::parse(database_.snapshot()).xmax;
    }

    // As PostgresSource does it: two numbers first.
    bool has_changes(const std::string& cursor) override {
        before("source.has_changes");
        const std::int64_t last_seq = database_.last_seq;
        const Snapshot now = Snapshot::parse(database_.snapshot());
        const bool none_ended =
            database_.broken.quiet_counts_draws_only || (quiet_ && now.none_ended_since(quiet_->at));
        if (quiet_ && quiet_->cursor == cursor && quiet_->last_seq == last_seq && none_ended) return false;
        before("source.find_changes");
        if (!rows_since(cursor, Snapshot::parse(database_.snapshot())).empty()) return true;
        quiet_ = Quiet{.cursor = cursor, .last_seq = last_seq, .at = Snapshot::parse(database_.snapshot())};
        return false;
    }

    std::unique_ptr<capture::SourceSnapshot> open(const std::string& cursor) override;

    void confirm(const std::string& consumer, const std::string& cursor, std::int64_t batch) override {
        before("source.confirm");
        if (const auto found = database_.consumers.find(consumer); found != database_.consumers.end()) {
            found->second.cursor = cursor;
            found->second.batch = batch;
        }
        after("source.confirmed");
    }

    void free_slots() override {
        ++looks_at_slots;
        before("source.slot_sizes");
        const std::size_t active = database_.active;
        bool has_empty = false;
        bool has_full = false;
        for (std::size_t slot = 0; slot < FakeDatabase::slot_count; ++slot) {
            if (slot == active) continue;
            (database_.slots[slot].empty() ? has_empty : has_full) = true;
        }
        const bool is_worth_it = database_.slots[active].size() >= rotate_min_rows;
        if (has_full) release();
        if (is_worth_it && has_empty) {
            rotate();
            release();
        }
    }

    void let_go(const std::string& consumer, const std::string& epoch) override {
        before("source.let_go");
        const auto found = database_.consumers.find(consumer);
        const bool is_noted = found != database_.consumers.end();
        if (is_noted && (found->second.epoch == epoch || database_.broken.lets_go_of_others))
            found->second.let_go = true;
        after("source.gone");
    }

    std::size_t rotate_min_rows = 3;
    int looks_at_slots = 0;

private:
    friend class FakeSnapshot;

    struct Quiet {
        std::string cursor;
        std::int64_t last_seq = 0;
        Snapshot at;
    };

    void before(std::string_view step) {
        at_(step);
        if (is_dead_) throw Error(ErrorKind::source_lost, fmt::format("the session has ended before {}", step));
    }

    // The answer comes only if the session is still there.
    void after(std::string_view step) { before(step); }

    // What a statement under `now` sees of the rows that `cursor` does not show.
    std::vector<Row> rows_since(const std::string& cursor, const Snapshot& now) const {
        const Snapshot shown = Snapshot::parse(cursor);
        std::vector<Row> rows;
        for (std::size_t slot = 0; slot < FakeDatabase::slot_count; ++slot) {
            if (database_.broken.reads_the_active_slot_only && slot != database_.active) continue;
            for (const Row& row : database_.slots[slot]) {
                const bool is_seen =
                    database_.is_committed(row.xid) && (now.shows(row.xid) || database_.broken.snapshot_is_not_frozen);
                if (is_seen && !shown.shows(row.xid)) rows.push_back(row);
            }
        }
        return rows;
    }

    void rotate() {
        before("source.rotate");
        for (std::size_t i = 1; i < FakeDatabase::slot_count; ++i) {
            const std::size_t next = (database_.active + i) % FakeDatabase::slot_count;
            if (!database_.slots[next].empty()) continue;
            database_.active = next;
            break;
        }
        after("source.rotated");
    }

    bool is_read_by_all(std::size_t slot) const {
        if (database_.broken.release_forgets_the_cursor) return true;
        const auto& rows = database_.slots[slot];
        return std::all_of(database_.consumers.begin(), database_.consumers.end(), [&](const auto& consumer) {
            const Snapshot cursor = Snapshot::parse(consumer.second.cursor);
            return std::all_of(rows.begin(), rows.end(), [&](const Row& row) {
                return !database_.is_committed(row.xid) || cursor.shows(row.xid);
            });
        });
    }

    void release() {
        for (std::size_t slot = 0; slot < FakeDatabase::slot_count; ++slot) {
            before("source.release");
            if (slot == database_.active || database_.slots[slot].empty() || database_.consumers.empty() ||
                !is_read_by_all(slot))
                continue;
            before("source.release.look");
            const bool is_locked = database_.readers > 0 || database_.is_written_by_an_open_transaction(slot);
            if (is_locked && !database_.broken.release_ignores_open_writers) continue;  // NOWAIT
            if (!database_.broken.release_looks_once && !is_read_by_all(slot)) continue;
            if (database_.releasing) database_.releasing(slot);
            database_.slots[slot].clear();
            after("source.released");
        }
    }

    FakeDatabase& database_;
    Step at_;
    int session_;
    bool is_dead_ = false;
    std::optional<Quiet> quiet_;
};

class FakeSnapshot : public capture::SourceSnapshot {
public:
    FakeSnapshot(FakeSource& source, std::string from)
        : source_(source), from_(std::move(from)), cursor_(source.database_.snapshot()) {}
    ~FakeSnapshot() override {
        if (is_reading_) --source_.database_.readers;
    }
    FakeSnapshot(const FakeSnapshot&) = delete;
    FakeSnapshot& operator=(const FakeSnapshot&) = delete;

    const std::string& cursor() const override { return cursor_; }

    // Two streams, as for a large batch.
    EventStreams streams() override {
        source_.before("source.copy");
        is_reading_ = true;
        ++source_.database_.readers;
        auto rows = source_.rows_since(from_, Snapshot::parse(cursor_));
        const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
        EventStreams streams;
        streams.push_back(std::make_unique<FakeStream>(std::vector(middle, rows.end()), source_.is_dead_));
        streams.push_back(std::make_unique<FakeStream>(std::vector(rows.begin(), middle), source_.is_dead_));
        return streams;
    }

private:
    FakeSource& source_;
    std::string from_;
    std::string cursor_;
    bool is_reading_ = false;
};

inline std::unique_ptr<capture::SourceSnapshot> FakeSource::open(const std::string& cursor) {
    before("source.open");
    const std::int64_t last_seq = database_.last_seq;
    before("source.snapshot");
    auto snapshot = std::make_unique<FakeSnapshot>(*this, cursor);
    quiet_ = Quiet{.cursor = snapshot->cursor(), .last_seq = last_seq, .at = Snapshot::parse(snapshot->cursor())};
    return snapshot;
}

// How a commit ends.
enum class Answer {
    committed,
    refused,       // an error before anything was sent
    lost_after,    // in_doubt; it was committed
    lost_before,   // in_doubt; it was not
    arrives_late,  // in_doubt; the server carries it out at some later time
};

struct Stored {
    Row row;
    std::int64_t batch = 0;
};

// The lake as all processes see it.
class FakeCatalog {
public:
    struct Consumer {
        lake::Head head;
        std::int64_t log_deleted_at = 0;  // version of the commit that last deleted the holder's row
        std::int64_t log_changed_at = 0;  // ... that last wrote to its log
    };

    struct Commit {
        std::string consumer;
        lake::Head head;
        std::vector<Row> events;
        bool deletes_log = false;
    };

    // A COMMIT that waits in the server is carried out before any other.
    void settle() {
        if (const auto commit = std::exchange(late_, std::nullopt)) apply(*commit);
    }

    void arrive_late(Commit commit) { late_ = std::move(commit); }

    void apply(const Commit& commit) {
        ++version;
        auto& consumer = consumers[commit.consumer];
        consumer.log_changed_at = version;
        if (commit.deletes_log) consumer.log_deleted_at = version;
        consumer.head = commit.head;
        store(commit.events, commit.head.batch);
    }

    void store(std::vector<Row> rows, std::int64_t batch) {
        std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.seq < b.seq; });
        for (const Row& row : rows) events.push_back({.row = row, .batch = batch});
        if (stored) stored(rows);
    }

    std::map<std::string, Consumer> consumers;
    std::vector<Stored> events;
    std::int64_t version = 0;  // of the last commit
    std::function<Answer()> answer = [] { return Answer::committed; };
    std::function<void(const std::vector<Row>&)> stored;  // called with what a commit brought, in the order of seq
    Broken broken;

private:
    std::optional<Commit> late_;
};

// One process's connection to the lake.
class FakeLake : public lake::Lake {
public:
    FakeLake(FakeCatalog& catalog, Step at) : catalog_(catalog), at_(std::move(at)) {}

    std::optional<lake::Head> head(const std::string& consumer) override {
        at_("lake.head");
        const auto found = catalog_.consumers.find(consumer);
        if (found == catalog_.consumers.end()) return std::nullopt;
        return found->second.head;
    }

    void start(const std::string& consumer, const std::string& epoch, const std::string& cursor,
               const SourceIdentity& source) override {
        at_("lake.start");
        const std::int64_t batch = catalog_.consumers[consumer].head.batch;
        commit({.consumer = consumer,
                .head = {.epoch = epoch, .cursor = cursor, .batch = batch, .source = source},
                .deletes_log = true},
               catalog_.version);
    }

    void take_over(const std::string& consumer, const std::string& epoch) override {
        at_("lake.take_over");
        const std::int64_t begun = catalog_.version;
        lake::Head head = catalog_.consumers.at(consumer).head;
        at_("lake.take_over.commit");
        head.epoch = epoch;
        commit({.consumer = consumer, .head = head, .deletes_log = true}, begun);
        ++takeovers;
        at_("lake.taken_over");
    }

    lake::BatchResult append(const lake::BatchPlan& plan, EventStreams streams,
                             std::atomic<std::int64_t>* running) override {
        at_("lake.append");
        const std::int64_t begun = catalog_.version;
        const auto& consumer = catalog_.consumers.at(plan.consumer);
        const bool is_mine = consumer.head.epoch == plan.epoch && consumer.head.cursor == plan.cursor_before;
        if (!is_mine && !catalog_.broken.no_look_at_the_head)
            throw Error(ErrorKind::fenced, "another eider has taken this lake over");
        FakeCatalog::Commit mine{.consumer = plan.consumer,
                                 .head = {.epoch = plan.epoch,
                                          .cursor = plan.cursor,
                                          .batch = plan.batch,
                                          .source = plan.source,
                                          .committed_at = "now"}};
        for (auto& stream : streams) {
            at_("lake.append.stream");
            while (const Event* event = stream->next()) {
                mine.events.push_back(
                    {.seq = event->seq, .xid = event->xid, .key = std::stoi(std::string(event->table_name))});
                if (running != nullptr) ++*running;
            }
        }
        streams.clear();
        const auto count = static_cast<std::int64_t>(mine.events.size());
        at_("lake.append.commit");
        if (catalog_.broken.cursor_is_not_atomic) {
            catalog_.store(std::exchange(mine.events, {}), plan.batch);
            at_("lake.append.cursor");
        }
        commit(std::move(mine), begun);
        at_("lake.appended");
        return {.events = count};
    }

    int takeovers = 0;

private:
    void commit(FakeCatalog::Commit commit, std::int64_t begun) {
        const Answer answer = catalog_.answer();
        if (answer == Answer::refused) throw Error(ErrorKind::lake_unavailable, "the catalog cannot be reached");
        if (answer == Answer::lost_before) throw Error(ErrorKind::in_doubt, "the answer to COMMIT was lost");
        catalog_.settle();
        const auto& consumer = catalog_.consumers[commit.consumer];
        const std::int64_t in_the_way = commit.deletes_log ? consumer.log_changed_at : consumer.log_deleted_at;
        if (in_the_way > begun && !catalog_.broken.no_fence)
            throw Error(ErrorKind::lake_conflict, "Transaction conflict");
        if (answer == Answer::arrives_late) catalog_.arrive_late(std::move(commit));
        else catalog_.apply(commit);
        if (answer != Answer::committed) throw Error(ErrorKind::in_doubt, "the answer to COMMIT was lost");
    }

    FakeCatalog& catalog_;
    Step at_;
};

}  // namespace eider::sync::fakes
