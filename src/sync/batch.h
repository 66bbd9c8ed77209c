// One consumer's batches, in the steps that docs/protocol.md explains.
//
// Guarantees: each committed change is appended once, whatever dies when: the cursor that decides what a batch is
// stands in the lake, in the transaction that appends it. After any error the next call starts from what the lake
// says.
// Threads: one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "capture/source.h"
#include "lake/lake.h"
#include "mirror/mirrors.h"

namespace eider::sync {

struct BatchReport {
    std::int64_t batch = 0;
    lake::BatchResult moved;
    std::int64_t copied_tables = 0;  // mirrors that were made or made anew
    std::int64_t copied_rows = 0;
};

class Consumer {
public:
    // All must outlive the consumer. mirrors: null where none are kept.
    Consumer(capture::Source& source, lake::Lake& lake, std::string name, mirror::Mirrors* mirrors = nullptr);

    // Notes on the source that this process ended cleanly, so that the next one need not take over.
    ~Consumer();
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;

    // Looks at both sides and refuses what does not fit together; changes nothing. Each batch starts with it; to be
    // called before whatever else changes the source. Throws as `batch` does.
    void begin();

    // Moves what was committed since the last batch, and copies tables whose mirror is due; nullopt when there was
    // nothing. `running` is added to as events arrive.
    // Throws Error: running, fenced, source_changed, lake_unavailable (no such consumer here: init), and what
    // source and lake throw.
    std::optional<BatchReport> batch(std::atomic<std::int64_t>* running = nullptr);

    // Compares mirrors with their source at one snapshot. Moves what waits first; leaves no trace where nothing did.
    std::vector<mirror::Verification> verify(const std::vector<TablePattern>& tables);

private:
    void check_identity() const;
    void hold();
    bool is_due();
    BatchReport move(std::atomic<std::int64_t>* running, const std::function<void()>& inspect = {});
    lake::BatchPlan plan(const std::string& cursor) const;
    void confirm();

    capture::Source& source_;
    lake::Lake& lake_;
    std::string name_;
    mirror::Mirrors* mirrors_;
    std::optional<lake::Head> head_;  // as of the last look; empty: look again before the next batch
    SourceIdentity identity_;
    bool locked_ = false;
    bool is_in_doubt_ = false;  // a batch of this process failed, and may arrive all the same
    bool holds_ = false;        // this process is the one that appends
    std::string head_epoch_;    // while it holds: its epoch
};

}  // namespace eider::sync
