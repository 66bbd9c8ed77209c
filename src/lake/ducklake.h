// The lake: a DuckLake attached as `lake`, its log of changes `cdc`, and eider's own log `eider.log`.
//
// Guarantees: one call, one DuckLake transaction: all of it is committed or nothing. The cursor is in the same
// transaction as the data. The shape of the tables stands in sql/create.sql, the reasons in docs/protocol.md.
// Threads: one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lake/engine.h"
#include "lake/feed.h"

namespace eider::lake {

enum class CatalogKind { postgres, duckdb, sqlite };

struct LakeOptions {
    CatalogKind catalog = CatalogKind::postgres;
    std::string location;         // postgres: connection string; else the file
    std::string catalog_schema;   // postgres only: the schema of the catalog's tables
    std::string data_path;        // a folder, absolute, or a URL; empty: what the catalog has recorded
    EngineOptions engine;
};

enum class Access { create, write, read };

// Which database a lake is filled from. Compared at each start: see docs/protocol.md, "Identity".
struct SourceIdentity {
    std::string system_identifier;  // of the PostgreSQL cluster
    std::string database;
    std::string installation;       // uuid of audit.installation
    bool operator==(const SourceIdentity&) const = default;
};

// The state of one consumer, as the lake has it.
struct Head {
    std::string epoch;   // uuid of the holder that may append
    std::string cursor;  // pg_snapshot: what it shows is in the lake
    std::int64_t batch = 0;
    SourceIdentity source;
    std::string committed_at;  // of the last batch; empty when there was none
};

// What one batch will be, before its events.
struct BatchPlan {
    std::string consumer;
    std::string epoch;
    std::int64_t batch = 0;
    std::string cursor_before;  // what the lake must have now, else Error(fenced)
    std::string cursor;
    SourceIdentity source;
};

struct BatchResult {
    std::int64_t events = 0;
    std::int64_t bytes = 0;   // of JSON
    std::int64_t tables = 0;  // with at least one event
    double lag_s = 0;         // age of the oldest event's transaction when it was committed
};

struct LakeStatus {
    std::int64_t snapshot = 0;
    std::int64_t snapshots = 0;
    std::int64_t files = 0;
    std::int64_t bytes = 0;
    std::int64_t events = 0;
    std::int64_t batches = 0;
};

class DuckLake {
public:
    // Attaches. With Access::create what is missing is made (but for the schema of a PostgreSQL catalog).
    // Throws Error: lake_unavailable, lake_incompatible, config, running, disk.
    DuckLake(const LakeOptions& options, Access access);
    ~DuckLake();

    // nullopt: this consumer was never started here.
    std::optional<Head> head(const std::string& consumer);

    // Appends the first row of a consumer, or, where it has one, moves it to another installation of the source.
    void start(const std::string& consumer, const std::string& epoch, const std::string& cursor, const SourceIdentity& source);

    // Makes `epoch` the only one that may append. Whoever held it before fails at its commit.
    // Throws Error(lake_conflict) when a batch was committed meanwhile: safe to try again.
    void take_over(const std::string& consumer, const std::string& epoch);

    // Appends the events and the cursor, in one transaction. `running` is added to while events arrive.
    // Throws Error: fenced (another epoch), lake_conflict, in_doubt (the commit's fate is not known), and what
    // the streams throw.
    BatchResult append(const BatchPlan& plan, EventStreams streams, std::atomic<std::int64_t>* running = nullptr);

    // Writes the rows of small batches, which stand in the catalog, to Parquet files.
    void flush();

    LakeStatus status();

    // The session in which the lake is attached as `lake` and is the default database.
    Session& session() { return session_; }

private:
    Engine engine_;
    Session session_;
    std::unique_ptr<Feed> feed_;
};

// The statements with which any DuckDB opens this lake read-only, without secrets; for people and for `eider attach`.
std::string attach_sql(const LakeOptions& options);

}  // namespace eider::lake
