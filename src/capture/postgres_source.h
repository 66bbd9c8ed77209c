// The source as it really is: slots, registry and consumers of schema `audit`, read over libpq.
//
// Guarantees: takes no lock that a writer could wait for. One REPEATABLE READ, READ ONLY transaction per batch;
// with several streams their connections share its snapshot.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/snapshot.h"
#include "capture/source.h"
#include "postgres/connection.h"

namespace eider::capture {

class PostgresSnapshot;

struct PostgresSourceOptions {
    std::string connection_string;
    int copy_streams = 0;  // connections that read one batch; 0: one, or two for large batches on two cores or more
    std::int64_t rotate_min_rows = 10'000;  // a slot with fewer is not worth a rotation
};

class PostgresSource : public Source {
public:
    // Connects. Throws Error: source_unavailable, source_denied, not_installed.
    explicit PostgresSource(PostgresSourceOptions options);
    ~PostgresSource() override;

    SourceIdentity identity() override;
    bool lock(const std::string& consumer) override;
    std::optional<Confirmed> confirmed(const std::string& consumer) override;
    void claim(const std::string& consumer, const std::string& epoch) override;
    bool reclaim(const std::string& consumer, const std::string& epoch) override;
    std::uint64_t next_xid() override;
    bool has_changes(const std::string& cursor) override;
    std::unique_ptr<SourceSnapshot> open(const std::string& cursor) override;
    void confirm(const std::string& consumer, const std::string& cursor, std::int64_t batch) override;
    void free_slots() override;
    void let_go(const std::string& consumer, const std::string& epoch) override;

    postgres::Connection& connection() { return connection_; }

    // While a snapshot is open and its streams are read: `count` connections that see what it shows, connection() first.
    std::vector<postgres::Connection*> readers(std::size_t count);

    // A connection that sees the database as it is now, not as the open snapshot shows it.
    postgres::Connection& latest();

    // New numbers of the sequence of events, above all that were drawn so far.
    std::vector<std::int64_t> draw_numbers(std::size_t count);

private:
    friend class PostgresSnapshot;

    // A moment at which everything drawn so far was looked at, see has_changes.
    struct Quiet {
        std::string cursor;
        std::int64_t last_seq = 0;
        Snapshot at;
    };

    void release();
    bool note_holder(const std::string& sql, const std::string& consumer, const std::string& epoch);

    PostgresSourceOptions options_;
    postgres::Connection connection_;
    std::vector<std::unique_ptr<postgres::Connection>> readers_;  // beside connection_, kept between batches
    std::unique_ptr<postgres::Connection> latest_;                // made when it is needed
    PostgresSnapshot* snapshot_ = nullptr;                        // the open one
    std::optional<Quiet> quiet_;
};

}  // namespace eider::capture
