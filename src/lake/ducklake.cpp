#include "lake/ducklake.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/text.h"
#include "base/version.h"
#include "lake_sql.h"

namespace eider::lake {
namespace {

namespace fs = std::filesystem;

// Batches of up to this many rows stay in the catalog: small batches leave no small files.
constexpr int inlined_rows_max = 1000;

bool is_url(std::string_view path) {
    return path.find("://") != std::string_view::npos;
}

std::vector<std::string> extensions_for(const LakeOptions& options) {
    std::vector<std::string> names{"ducklake"};
    if (options.catalog == CatalogKind::postgres) names.emplace_back("postgres_scanner");
    if (options.catalog == CatalogKind::sqlite) names.emplace_back("sqlite_scanner");
    if (is_url(options.data_path)) names.emplace_back("httpfs");
    return names;
}

std::string catalog_uri(const LakeOptions& options, const std::string& location) {
    switch (options.catalog) {
        case CatalogKind::postgres: return "ducklake:postgres:" + location;
        case CatalogKind::sqlite: return "ducklake:sqlite:" + location;
        case CatalogKind::duckdb: return "ducklake:" + location;
    }
    return {};
}

std::string attach_statement(const LakeOptions& options, const std::string& location,
                             const std::vector<std::string>& extra) {
    std::vector<std::string> clauses = extra;
    if (options.catalog == CatalogKind::postgres)
        clauses.push_back("META_SCHEMA " + quote_literal(options.catalog_schema));
    return fmt::format("ATTACH {} AS lake{}", quote_literal(catalog_uri(options, location)),
                       clauses.empty() ? "" : fmt::format(" ({})", join(clauses, ", ")));
}

void make_folder(const fs::path& folder) {
    if (folder.empty()) return;
    const bool is_new = !fs::exists(folder);
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
        throw Error(ErrorKind::disk, fmt::format("cannot make the folder {}: {}", folder.string(), error.message()),
                    "let data_path and catalog name places that this user may write to");
    }
    // The lake holds what the source's tables hold: nobody else's eyes.
    if (is_new) fs::permissions(folder, fs::perms::owner_all, error);
}

std::string timestamp_of(std::int64_t unix_us) {
    return fmt::format("make_timestamptz({})", unix_us);
}

std::int64_t now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

// Rolls back unless told that the transaction ended.
class LakeTransaction {
public:
    explicit LakeTransaction(Session& session) : session_(session) { session_.run("BEGIN"); }
    ~LakeTransaction() {
        if (!open_) return;
        try {
            session_.run("ROLLBACK");
        } catch (const Error&) {
            // The first error is the one to tell.
        }
    }
    LakeTransaction(const LakeTransaction&) = delete;
    LakeTransaction& operator=(const LakeTransaction&) = delete;

    void commit() {
        open_ = false;  // a COMMIT that fails has ended the transaction, too
        try {
            session_.run("COMMIT");
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::lake_unavailable) throw;
            throw Error(ErrorKind::in_doubt,
                        fmt::format("the connection to the catalog broke during COMMIT: {}", error.what()),
                        "run the command again: eider looks up in the lake whether the batch arrived");
        }
    }

private:
    Session& session_;
    bool open_ = true;
};

}  // namespace

DuckLake::DuckLake(const LakeOptions& options, Access access)
    : engine_(options.engine, extensions_for(options)),
      session_(engine_.connect()),
      threads_fixed_(options.engine.threads > 0) {
    feed_ = std::make_unique<Feed>(session_);
    rows_ = std::make_unique<RowFeed>(session_);
    const bool local_data = !options.data_path.empty() && !is_url(options.data_path);
    std::vector<std::string> clauses;
    if (access == Access::create) {
        if (local_data) make_folder(options.data_path);
        if (options.catalog != CatalogKind::postgres) make_folder(fs::path(options.location).parent_path());
    } else {
        clauses.emplace_back("CREATE_IF_NOT_EXISTS false");
        if (options.catalog != CatalogKind::postgres && !fs::exists(options.location)) {
            throw Error(ErrorKind::lake_unavailable,
                        fmt::format("there is no lake: the catalog file {} does not exist", options.location),
                        "create it first: eider init");
        }
    }
    if (access == Access::read) clauses.emplace_back("READ_ONLY");
    if (!options.data_path.empty()) clauses.push_back("DATA_PATH " + quote_literal(options.data_path));
    if (access != Access::read) clauses.push_back(fmt::format("DATA_INLINING_ROW_LIMIT {}", inlined_rows_max));

    session_.run("SET TimeZone = 'UTC'");
    // Streams are read side by side: the order of rows inside a batch is (seq), not that of its files.
    if (access == Access::write) session_.run("SET preserve_insertion_order = false");
    session_.run(attach_statement(options, options.location, clauses));
    session_.run("USE lake");
    if (access == Access::create) session_.run(std::string(sql::create));
}

DuckLake::~DuckLake() = default;

std::optional<Head> DuckLake::head(const std::string& consumer) {
    const Rows rows = session_.query(fill(sql::head, {{"consumer", quote_literal(consumer)}}));
    if (rows.empty()) return std::nullopt;
    return Head{.epoch = rows.text(0, 0),
                .cursor = rows.text(0, 1),
                .batch = rows.integer(0, 2),
                .source = {rows.text(0, 3), rows.text(0, 4), rows.text(0, 5)},
                .committed_at = rows.rows[0][6].value_or("")};
}

void DuckLake::start(const std::string& consumer, const std::string& epoch, const std::string& cursor,
                     const SourceIdentity& source) {
    LakeTransaction transaction(session_);
    const std::string name = quote_literal(consumer);
    session_.run(fill(sql::start, {{"consumer", name},
                                   {"epoch", quote_literal(epoch)},
                                   {"cursor", quote_literal(cursor)},
                                   {"system_identifier", quote_literal(source.system_identifier)},
                                   {"database", quote_literal(source.database)},
                                   {"installation", quote_literal(source.installation)},
                                   {"eider_version", quote_literal(EIDER_VERSION)}}));
    transaction.commit();
}

void DuckLake::take_over(const std::string& consumer, const std::string& epoch) {
    const std::string name = quote_literal(consumer);
    const std::string head_sql = fill(sql::head, {{"consumer", name}});
    LakeTransaction transaction(session_);
    session_.run(fill(sql::take_over, {{"head", head_sql},
                                       {"consumer", name},
                                       {"epoch", quote_literal(epoch)},
                                       {"eider_version", quote_literal(EIDER_VERSION)}}));
    crash_point("takeover.before_commit");
    transaction.commit();
    crash_point("takeover.after_commit");
}

BatchResult DuckLake::append(const BatchPlan& plan, EventStreams streams, std::atomic<std::int64_t>* running) {
    LakeTransaction transaction(session_);
    const std::optional<Head> now = head(plan.consumer);
    if (!now || now->epoch != plan.epoch || now->cursor != plan.cursor_before) {
        throw Error(ErrorKind::fenced, "another eider has taken this lake over",
                    "stop one of the two: each lake and consumer name needs exactly one eider");
    }
    crash_point("batch.before_events");

    use_threads(std::max<std::size_t>(1, streams.size()));
    batch_ts_ = timestamp_of(now_us());
    const std::string& dl_ts = batch_ts_;
    const std::string batch = std::to_string(plan.batch);
    feed_->load(std::move(streams), running);
    try {
        if (plan.also) session_.run(std::string(sql::keep_events));
        session_.run(fill(sql::append_events, {{"dl_ts", dl_ts},
                                               {"batch", batch},
                                               {"origin", "'captured'"},
                                               {"events", plan.also ? "temp.eider_batch" : "eider_feed()"}}));
    } catch (const Error&) {
        feed_->finish();  // throws the stream's own error, where there was one
        throw;
    }
    feed_->finish();
    crash_point("batch.after_events");

    const FeedCounts counts = feed_->counts();
    if (plan.also) {
        plan.also();
        crash_point("batch.after_mirrors");
    }
    const bool is_empty = counts.events.empty();
    const BatchResult result{.events = counts.total(),
                             .bytes = counts.bytes,
                             .tables = static_cast<std::int64_t>(counts.events.size()),
                             .lag_s = is_empty ? 0 : static_cast<double>(now_us() - counts.oldest_ts_us) / 1e6};
    session_.run(
        fill(sql::append_batch, {{"consumer", quote_literal(plan.consumer)},
                                 {"epoch", quote_literal(plan.epoch)},
                                 {"batch", batch},
                                 {"cursor", quote_literal(plan.cursor)},
                                 {"dl_ts", dl_ts},
                                 {"events", std::to_string(result.events)},
                                 {"bytes", std::to_string(result.bytes)},
                                 {"tables", std::to_string(result.tables)},
                                 {"oldest_ts", is_empty ? "NULL::TIMESTAMPTZ" : timestamp_of(counts.oldest_ts_us)},
                                 {"system_identifier", quote_literal(plan.source.system_identifier)},
                                 {"database", quote_literal(plan.source.database)},
                                 {"installation", quote_literal(plan.source.installation)},
                                 {"eider_version", quote_literal(EIDER_VERSION)}}));
    crash_point("batch.before_commit");
    transaction.commit();
    crash_point("batch.after_commit");
    return result;
}

void DuckLake::append_corrections(std::int64_t batch, std::unique_ptr<EventStream> events) {
    EventStreams streams;
    streams.push_back(std::move(events));
    feed_->load(std::move(streams));
    session_.run(fill(sql::append_events, {{"dl_ts", batch_ts_},
                                           {"batch", std::to_string(batch)},
                                           {"origin", "'correction'"},
                                           {"events", "eider_feed()"}}));
    feed_->finish();
}

// One thread a stream. DuckDB's calling thread polls while others work for it (ClientContext::ExecuteTaskInternal):
// with a thread too many it takes a core from the server that sends the events. Measured with one stream of 1M events
// on 2 cores: 2.6 s with two threads, 1.5 s with one.
void DuckLake::use_threads(std::size_t streams) {
    if (threads_fixed_ || threads_ == streams) return;
    session_.run(fmt::format("SET threads = {}", streams));
    threads_ = streams;
}

void DuckLake::flush() {
    session_.run("CALL ducklake_flush_inlined_data('lake')");
}

LakeStatus DuckLake::status() {
    const Rows rows = session_.query(std::string(sql::lake_status));
    return {.snapshot = rows.integer(0, 0),
            .snapshots = rows.integer(0, 1),
            .files = rows.integer(0, 2),
            .bytes = rows.integer(0, 3),
            .events = rows.integer(0, 4),
            .batches = rows.integer(0, 5)};
}

std::map<std::pair<std::string, std::string>, LastBatch> DuckLake::last_batches() {
    const Rows rows = session_.query(std::string(sql::last_batches));
    std::map<std::pair<std::string, std::string>, LastBatch> batches;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        batches[{rows.text(row, 0), rows.text(row, 1)}] = {.batch = rows.integer(row, 2), .at = rows.text(row, 3)};
    }
    return batches;
}

std::string attach_sql(const LakeOptions& options) {
    std::string out;
    for (const auto& extension : extensions_for(options)) {
        out += fmt::format("INSTALL {0}; LOAD {0};\n", extension);
    }
    if (options.catalog == CatalogKind::postgres)
        out += "-- the password, where one is needed, comes from PGPASSWORD or ~/.pgpass\n";
    out += attach_statement(options, without_password(options.location), {"READ_ONLY"}) + ";\nUSE lake;\n";
    return out;
}

}  // namespace eider::lake
