// What a batch needs of the source. Tests put an in-memory one in its place.
//
// Threads: one thread at a time; the streams of one snapshot may be read by several.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/event.h"
#include "base/identity.h"
#include "base/snapshot.h"

namespace eider::capture {

// What the source has noted of a consumer.
struct Confirmed {
    std::int64_t batch = 0;
    std::string cursor;
    std::string epoch;    // of the last holder
    bool let_go = false;  // that holder ended cleanly: its epoch may be used again without a takeover

    // Whether slots may have been released that a lake with this head still lacks: another lake, or a newer state of
    // this one, has them. Numbers of batches alone do not tell: every lake counts its own.
    bool is_beyond(std::int64_t head_batch, const Snapshot& head_cursor) const {
        return batch > head_batch || Snapshot::parse(cursor).shows_more_than(head_cursor);
    }
};

// The changes that one batch moves: everything committed that the cursor does not show, as of one instant.
class SourceSnapshot {
public:
    virtual ~SourceSnapshot() = default;  // lets go of the instant
    virtual const std::string& cursor() const = 0;
    // Once per snapshot; the streams must be gone before it goes.
    virtual EventStreams streams() = 0;
};

class Source {
public:
    virtual ~Source() = default;

    virtual SourceIdentity identity() = 0;

    // Keeps honest processes apart, for as long as the connection lives. False: another one has it.
    virtual bool lock(const std::string& consumer) = 0;

    virtual std::optional<Confirmed> confirmed(const std::string& consumer) = 0;

    // Notes that `epoch` works now. It counts as not let go until `let_go`.
    virtual void claim(const std::string& consumer, const std::string& epoch) = 0;

    // The same for an epoch that was let go; false, and nothing is noted, where it is not let go (any more). Of several
    // that try only one succeeds, also where the lock keeps nobody out: an epoch never has two holders.
    virtual bool reclaim(const std::string& consumer, const std::string& epoch) = 0;

    // The newest transaction the source knows: a cursor beyond it is from another life of this database.
    virtual std::uint64_t next_xid() = 0;

    // Whether there may be a change that `cursor` does not show. False is certain.
    virtual bool has_changes(const std::string& cursor) = 0;

    virtual std::unique_ptr<SourceSnapshot> open(const std::string& cursor) = 0;

    // Says that everything that `cursor` shows is in the lake. Only frees slots: the truth stands in the lake.
    virtual void confirm(const std::string& consumer, const std::string& cursor, std::int64_t batch) = 0;

    // Rotates and releases slots where that is worth it. Waits for nobody.
    virtual void free_slots() = 0;

    // Notes that the holder of `epoch` ended cleanly; nothing, where another is noted by now.
    virtual void let_go(const std::string& consumer, const std::string& epoch) = 0;
};

}  // namespace eider::capture
