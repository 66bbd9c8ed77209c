#include "capture/postgres_source.h"

#include <algorithm>
#include <array>
#include <thread>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/text.h"
#include "capture_sql.h"
#include "postgres/copy_reader.h"

namespace eider::capture {
namespace {

using postgres::Connection;
using postgres::Transaction;

constexpr std::array slots{"cdc_1", "cdc_2", "cdc_3"};

// Below this a second connection costs more than it brings.
constexpr std::int64_t bytes_for_two_streams = 32 << 20;

// A row of a slot in small: what a slot with `rotate_min_rows` rows has at least.
constexpr std::int64_t slot_row_bytes_min = 100;

struct TableName {
    std::string schema;
    std::string name;
};

using Registry = std::unordered_map<std::uint32_t, TableName>;

// One COPY of a part of all slots.
class SlotStream : public EventStream {
public:
    SlotStream(Connection& connection, const std::string& copy_sql, const Registry& registry)
        : reader_(connection.copy_out(copy_sql)), registry_(registry) {}

    const Event* next() override {
        const auto* fields = reader_->next();
        if (fields == nullptr) return nullptr;
        if (fields->size() != 9)
            throw Error(ErrorKind::corrupt, fmt::format("a slot's row has {} columns, not 9", fields->size()),
                        reinstall);
        const auto& row = *fields;
        event_.seq = postgres::int64_of(required(row[0]));
        event_.xid = static_cast<std::uint64_t>(postgres::int64_of(required(row[1])));
        event_.ts_us = postgres::unix_us_of(required(row[2]));
        name_table(static_cast<std::uint32_t>(postgres::int32_of(required(row[3]))));
        const std::string_view op = required(row[4]);
        if (op.size() != 1) throw Error(ErrorKind::corrupt, "an operation of a slot is not one letter", reinstall);
        event_.op = op[0];
        event_.nested = required(row[5]) == std::string_view("\1", 1);
        event_.data = row[6];
        event_.before = row[7];
        event_.context = row[8];
        return &event_;
    }

private:
    static constexpr const char* reinstall = "somebody changed the tables of schema audit: see eider doctor";

    static std::string_view required(const postgres::Field& field) {
        if (!field) throw Error(ErrorKind::corrupt, "a slot's row has a NULL where none can be", reinstall);
        return *field;
    }

    void name_table(std::uint32_t oid) {
        if (oid == oid_ && !event_.table_name.empty()) return;
        oid_ = oid;
        event_.rel = oid;
        if (const auto found = registry_.find(oid); found != registry_.end()) {
            event_.table_schema = found->second.schema;
            event_.table_name = found->second.name;
            return;
        }
        // A table that was never registered cannot have our trigger; if it has, its changes are kept all the same.
        unknown_ = fmt::format("oid {}", oid);
        event_.table_schema = "";
        event_.table_name = unknown_;
    }

    std::unique_ptr<postgres::CopyReader> reader_;
    const Registry& registry_;
    Event event_;
    std::uint32_t oid_ = 0;
    std::string unknown_;
};

// The pages of each slot, split into `parts`; part `part` of it. The last part has no end: its slot may have grown,
// by rows that the snapshot does not show.
std::string copy_sql(const std::string& cursor, const std::array<std::int64_t, 3>& pages, int part, int parts) {
    std::vector<std::string> selects;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        std::string range;
        if (parts > 1) {
            const std::int64_t from = pages[i] * part / parts;
            const std::int64_t to = pages[i] * (part + 1) / parts;
            range = fmt::format(" AND ctid >= '({},0)'", from);
            if (part + 1 < parts) range += fmt::format(" AND ctid < '({},0)'", to);
        }
        selects.push_back(
            fill(sql::read_slot, {{"slot", slots[i]}, {"cursor", quote_literal(cursor)}, {"range", range}}));
    }
    return fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", join(selects, " UNION ALL "));
}

}  // namespace

class PostgresSnapshot : public SourceSnapshot {
public:
    PostgresSnapshot(PostgresSource& source, const std::string& cursor)
        : source_(source),
          from_(cursor),
          transaction_(source.connection_, "ISOLATION LEVEL REPEATABLE READ, READ ONLY") {
        const auto taken = source.connection_.query(std::string(sql::take_snapshot));
        cursor_ = taken.string(0, 0);
        for (std::size_t i = 0; i < slots.size(); ++i) pages_[i] = taken.integer(0, static_cast<int>(i) + 1);
        read_registry();
        source.snapshot_ = this;
    }

    ~PostgresSnapshot() override {
        source_.snapshot_ = nullptr;
        for (auto& [connection, transaction] : shared_) transaction.reset();
    }

    PostgresSnapshot(const PostgresSnapshot&) = delete;
    PostgresSnapshot& operator=(const PostgresSnapshot&) = delete;

    const std::string& cursor() const override { return cursor_; }

    EventStreams streams() override {
        const int parts = stream_count();
        const auto connections = readers(static_cast<std::size_t>(parts));
        EventStreams streams;
        for (int part = 0; part < parts; ++part) {
            streams.push_back(std::make_unique<SlotStream>(*connections[static_cast<std::size_t>(part)],
                                                           copy_sql(from_, pages_, part, parts), registry_));
        }
        return streams;
    }

    std::vector<Connection*> readers(std::size_t count) {
        std::vector<Connection*> connections{&source_.connection_};
        for (std::size_t i = 1; i < count; ++i) {
            if (shared_.size() < i) {
                if (exported_.empty())
                    exported_ = source_.connection_.query("SELECT pg_export_snapshot()").string(0, 0);
                share_snapshot(i - 1);
            }
            connections.push_back(shared_[i - 1].first);
        }
        return connections;
    }

private:
    int stream_count() const {
        if (source_.options_.copy_streams > 0) return source_.options_.copy_streams;
        const std::int64_t bytes = (pages_[0] + pages_[1] + pages_[2]) * 8192;
        return bytes >= bytes_for_two_streams && std::thread::hardware_concurrency() >= 2 ? 2 : 1;
    }

    void read_registry() {
        const auto rows = source_.connection_.query(std::string(sql::read_registry));
        for (int row = 0; row < rows.rows(); ++row) {
            registry_[static_cast<std::uint32_t>(rows.unsigned_integer(row, 0))] = {rows.string(row, 1),
                                                                                    rows.string(row, 2)};
        }
    }

    void share_snapshot(std::size_t index) {
        if (source_.readers_.size() <= index)
            source_.readers_.push_back(std::make_unique<Connection>(source_.options_.connection_string));
        if (!source_.readers_[index]->alive())
            source_.readers_[index] = std::make_unique<Connection>(source_.options_.connection_string);
        Connection& reader = *source_.readers_[index];
        shared_.emplace_back(&reader,
                             std::make_unique<Transaction>(reader, "ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
        reader.run("SET TRANSACTION SNAPSHOT " + quote_literal(exported_));
    }

    PostgresSource& source_;
    std::string from_;
    std::string cursor_;
    std::string exported_;  // its name, for other connections; empty: not exported
    std::array<std::int64_t, 3> pages_{};
    Registry registry_;
    Transaction transaction_;
    std::vector<std::pair<Connection*, std::unique_ptr<Transaction>>> shared_;
};

PostgresSource::PostgresSource(PostgresSourceOptions options)
    : options_(std::move(options)), connection_(options_.connection_string) {}

PostgresSource::~PostgresSource() = default;

SourceIdentity PostgresSource::identity() {
    const auto row = connection_.query(fill(sql::read_identity, {{"here", trim(sql::here)}}));
    if (row.empty())
        throw Error(ErrorKind::not_installed, "schema audit holds no installation", "install capture: eider init");
    return {.system_identifier = row.string(0, 0), .database = row.string(0, 1), .installation = row.string(0, 2)};
}

bool PostgresSource::lock(const std::string& consumer) {
    // Held by the session: it goes with the connection, also when this process is killed.
    return connection_.query("SELECT pg_try_advisory_lock(hashtext('eider'), hashtext($1))", {consumer}).boolean(0, 0);
}

std::optional<Confirmed> PostgresSource::confirmed(const std::string& consumer) {
    const auto row = connection_.query(std::string(sql::read_consumer), {consumer});
    if (row.empty()) return std::nullopt;
    return Confirmed{
        .batch = row.integer(0, 0), .cursor = row.string(0, 1), .epoch = row.string(0, 2), .let_go = row.boolean(0, 3)};
}

void PostgresSource::claim(const std::string& consumer, const std::string& epoch) {
    note_holder("SELECT audit.claim($1, $2)", consumer, epoch);
}

bool PostgresSource::reclaim(const std::string& consumer, const std::string& epoch) {
    return note_holder(
        "SELECT audit.claim(name, epoch) FROM audit.consumer WHERE name = $1 AND epoch = $2 AND released_at IS NOT "
        "NULL",
        consumer, epoch);
}

// One at a time, under a lock of the transaction: that holds also where a pooler gives several processes one session, whose
// lock then keeps none of them out. READ COMMITTED: the statement sees what the one before has noted.
bool PostgresSource::note_holder(const std::string& sql, const std::string& consumer, const std::string& epoch) {
    Transaction transaction(connection_, "ISOLATION LEVEL READ COMMITTED");
    connection_.query("SELECT pg_advisory_xact_lock(hashtext('eider.holder'), hashtext($1))", {consumer});
    const bool is_noted = !connection_.query(sql, {consumer, epoch}).empty();
    transaction.commit();
    return is_noted;
}

std::uint64_t PostgresSource::next_xid() {
    return connection_.query("SELECT pg_snapshot_xmax(pg_current_snapshot())").unsigned_integer(0, 0);
}

// Looking into the slots costs a scan of what is not released yet. Mostly two numbers are enough: nothing new can be
// visible while no sequence number was drawn and none of the transactions that ran at the last look has ended.
// That holds because the number was read before the snapshot of that look was taken: whoever drew it has a
// transaction id below the snapshot's xmax, so it is over or in its list.
bool PostgresSource::has_changes(const std::string& cursor) {
    const auto now = connection_.query(std::string(sql::read_draws));
    const std::int64_t last_seq = now.integer(0, 0);
    if (quiet_ && quiet_->cursor == cursor && quiet_->last_seq == last_seq &&
        Snapshot::parse(now.text(0, 1)).none_ended_since(quiet_->at)) {
        return false;
    }
    const auto look = connection_.query(std::string(sql::find_changes), {cursor});
    if (look.boolean(0, 0)) return true;
    quiet_ = Quiet{.cursor = cursor, .last_seq = last_seq, .at = Snapshot::parse(look.text(0, 1))};
    return false;
}

std::unique_ptr<SourceSnapshot> PostgresSource::open(const std::string& cursor) {
    const std::int64_t last_seq = connection_.query(std::string(sql::read_draws)).integer(0, 0);
    auto snapshot = std::make_unique<PostgresSnapshot>(*this, cursor);
    quiet_ = Quiet{.cursor = snapshot->cursor(), .last_seq = last_seq, .at = Snapshot::parse(snapshot->cursor())};
    return snapshot;
}

std::vector<Connection*> PostgresSource::readers(std::size_t count) {
    if (snapshot_ == nullptr) throw Error(ErrorKind::internal, "rows are read at a snapshot, and none is open");
    return snapshot_->readers(count);
}

Connection& PostgresSource::latest() {
    if (latest_ == nullptr || !latest_->alive()) latest_ = std::make_unique<Connection>(options_.connection_string);
    return *latest_;
}

std::vector<std::int64_t> PostgresSource::draw_numbers(std::size_t count) {
    const auto rows =
        latest().query("SELECT nextval('audit.cdc_seq') FROM generate_series(1, $1::bigint)", {std::to_string(count)});
    std::vector<std::int64_t> numbers;
    for (int row = 0; row < rows.rows(); ++row) numbers.push_back(rows.integer(row, 0));
    return numbers;
}

void PostgresSource::confirm(const std::string& consumer, const std::string& cursor, std::int64_t batch) {
    connection_.query("SELECT audit.confirm($1, $2::pg_snapshot, $3::bigint)",
                      {consumer, cursor, std::to_string(batch)});
}

void PostgresSource::free_slots() {
    const auto sizes = connection_.query(std::string(sql::slot_sizes));
    const std::int64_t active = sizes.integer(0, 0);
    std::int64_t inactive_bytes = 0;
    std::int64_t active_bytes = 0;
    bool has_empty_slot = false;
    for (int slot = 1; slot <= 3; ++slot) {
        const std::int64_t bytes = sizes.integer(0, slot);
        if (slot == active) {
            active_bytes = bytes;
        } else {
            inactive_bytes += bytes;
            has_empty_slot = has_empty_slot || bytes == 0;
        }
    }
    if (inactive_bytes > 0) release();
    if (active_bytes >= options_.rotate_min_rows * slot_row_bytes_min && has_empty_slot) {
        crash_point("rotate.before");
        connection_.query("SELECT audit.rotate()");
        crash_point("rotate.after");
        release();
    }
}

// One statement a slot, so that each lock is held for one slot's look only.
void PostgresSource::release() {
    for (std::size_t slot = 1; slot <= slots.size(); ++slot) {
        crash_point("release.before");
        connection_.query("SELECT audit.release($1::int)", {std::to_string(slot)});
        crash_point("release.after");
    }
}

void PostgresSource::let_go(const std::string& consumer, const std::string& epoch) {
    note_holder("SELECT audit.let_go(name) FROM audit.consumer WHERE name = $1 AND epoch = $2", consumer, epoch);
}

}  // namespace eider::capture
