// The lake: a DuckLake attached as `lake`, its log of changes `cdc`, and eider's own log `eider.log`.
//
// Guarantees: one call, one DuckLake transaction: all of it is committed or nothing. The cursor is in the same
// transaction as the data. The shape of the tables stands in sql/create.sql, the reasons in docs/protocol.md.
// Threads: one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lake/engine.h"
#include "lake/feed.h"
#include "lake/lake.h"
#include "lake/rows.h"

namespace eider::lake {

enum class CatalogKind { postgres, duckdb, sqlite };

struct LakeOptions {
    CatalogKind catalog = CatalogKind::postgres;
    std::string location;        // postgres: connection string; else the file
    std::string catalog_schema;  // postgres only: the schema of the catalog's tables
    std::string data_path;       // a folder, absolute, or a URL; empty: what the catalog has recorded
    EngineOptions engine;
};

enum class Access { create, write, read };

struct LakeStatus {
    std::int64_t snapshot = 0;
    std::int64_t snapshots = 0;
    std::int64_t files = 0;
    std::int64_t bytes = 0;
    std::int64_t events = 0;
    std::int64_t batches = 0;
};

struct LastBatch {
    std::int64_t batch = 0;
    std::string at;  // when it was committed
};

class DuckLake : public Lake {
public:
    // Attaches. With Access::create what is missing is made (but for the schema of a PostgreSQL catalog).
    // Throws Error: lake_unavailable, lake_incompatible, config, running, disk.
    DuckLake(const LakeOptions& options, Access access);
    ~DuckLake() override;

    std::optional<Head> head(const std::string& consumer) override;
    void start(const std::string& consumer, const std::string& epoch, const std::string& cursor,
               const SourceIdentity& source) override;
    void take_over(const std::string& consumer, const std::string& epoch) override;
    BatchResult append(const BatchPlan& plan, EventStreams streams, std::atomic<std::int64_t>* running) override;

    // Inside a batch (BatchPlan::also): events that eider found out itself.
    void append_corrections(std::int64_t batch, std::unique_ptr<EventStream> events);

    // Inside a batch: rows of source tables. `use_threads` as many as there are streams.
    RowFeed& rows() { return *rows_; }
    void use_threads(std::size_t streams);

    // Writes the rows of small batches, which stand in the catalog, to Parquet files.
    void flush();

    LakeStatus status();

    // By schema and table, for all tables that ever had an event.
    std::map<std::pair<std::string, std::string>, LastBatch> last_batches();

    // The session in which the lake is attached as `lake` and is the default database.
    Session& session() { return session_; }

private:
    Engine engine_;
    std::unique_ptr<Feed> feed_;  // go after the session that calls them
    std::unique_ptr<RowFeed> rows_;
    Session session_;
    std::string batch_ts_;        // dl_ts of the batch at hand, as SQL
    bool threads_fixed_ = false;  // by the user
    std::size_t threads_ = 0;     // as set last; 0: DuckDB's own choice
};

// The statements with which any DuckDB opens this lake read-only, without secrets; for people and for `eider attach`.
std::string attach_sql(const LakeOptions& options);

}  // namespace eider::lake
