// Events as a table of DuckDB: `FROM eider_feed()`, filled while it is read.
//
// Columns: cdc_uuid UUID, cdc_ts TIMESTAMPTZ, cdc_op VARCHAR, table_schema VARCHAR, table_name VARCHAR, data JSON,
// seq BIGINT, xid BIGINT, before JSON, context JSON, nested BOOLEAN, rel BIGINT (which the log does not keep).
// Guarantees: each event of each stream is given out once; memory is one vector of rows a thread, whatever the
// batch's size; JSON is taken as PostgreSQL wrote it, neither parsed nor changed, but for escapes of half a surrogate
// pair: DuckDB fails to read a whole Parquet file for one of them ("Invalid JSON found"), so they become \ufffd; text
// that is not UTF-8 (a SQL_ASCII database) ends the statement with Error(unrepresentable), never with a NULL.
// Threads: DuckDB reads as many streams at once as it has threads; `running` is safe to read meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/event.h"
#include "lake/engine.h"

namespace eider::lake {

struct FeedCounts {
    std::int64_t bytes = 0;                                                // of JSON
    std::int64_t oldest_ts_us = std::numeric_limits<std::int64_t>::max();  // start of the oldest transaction
    std::map<std::pair<std::string, std::string>, std::int64_t> events;    // by schema and table

    std::int64_t total() const;
};

class Feed {
public:
    // Makes `eider_feed()` known to `session`'s database. The feed must outlive the session.
    explicit Feed(Session& session);

    // Sets what the next statement reads, and the counters to zero. `running` (may be null) is added to as well, for
    // whoever shows progress.
    void load(EventStreams streams, std::atomic<std::int64_t>* running = nullptr);

    // Lets go of the streams. Throws the error of a stream that failed while it was read: DuckDB passes on
    // its words only, not its kind.
    void finish();

    // What the last statement read. Meaningful after `finish`.
    const FeedCounts& counts() const { return counts_; }

private:
    friend struct FeedFunctions;
    EventStream* take();
    void count(const FeedCounts& chunk);
    void fail(std::exception_ptr error);

    std::mutex mutex_;
    EventStreams streams_;
    std::size_t taken_ = 0;
    std::exception_ptr error_;
    FeedCounts counts_;
    std::atomic<std::int64_t>* running_ = nullptr;
};

}  // namespace eider::lake
