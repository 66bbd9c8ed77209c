// What a batch needs of the lake. Tests put an in-memory one in its place.
//
// Guarantees: one call, one transaction of the lake: all of it is committed or nothing.
// Threads: one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/event.h"
#include "base/identity.h"

namespace eider::lake {

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
    // What else belongs into the batch's transaction: called when its events are in, before its cursor. May be empty.
    // Where it is not, the events stay at hand meanwhile, as temp.eider_batch.
    std::function<void()> also = {};
};

struct BatchResult {
    std::int64_t events = 0;
    std::int64_t bytes = 0;   // of JSON
    std::int64_t tables = 0;  // with at least one event
    double lag_s = 0;         // age of the oldest event's transaction when it was committed
};

class Lake {
public:
    virtual ~Lake() = default;

    // nullopt: this consumer was never started here.
    virtual std::optional<Head> head(const std::string& consumer) = 0;

    // Appends the first row of a consumer, or, where it has one, moves it to another installation of the source.
    virtual void start(const std::string& consumer, const std::string& epoch, const std::string& cursor,
                       const SourceIdentity& source) = 0;

    // Makes `epoch` the only one that may append. Whoever held it before fails at its commit.
    // Throws Error(lake_conflict) when a batch was committed meanwhile: safe to try again.
    virtual void take_over(const std::string& consumer, const std::string& epoch) = 0;

    // Appends the events and the cursor, in one transaction. `running` is added to while events arrive.
    // Throws Error: fenced (another epoch), lake_conflict, in_doubt (the commit's fate is not known), and what
    // the streams throw.
    virtual BatchResult append(const BatchPlan& plan, EventStreams streams, std::atomic<std::int64_t>* running) = 0;
};

}  // namespace eider::lake
