// The mirrors: each captured table with a key as a table of the lake, equal to its source at the batch's snapshot.
//
// Guarantees: all of it happens inside the lake transaction of one batch, with the log and the cursor, from one snapshot
// of the source. Where the events do not tell what a row or a table is, it is read from the source at that snapshot.
// A value that does not fit quarantines its table; the others go on. docs/mirrors.md has the reasons.
// Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "capture/postgres_source.h"
#include "config/config.h"
#include "lake/ducklake.h"
#include "mirror/shape.h"

namespace eider::mirror {

// A table could not be copied in this transaction, which is spoilt by it: roll back, and try the batch again; by then
// the table is known to be left out.
struct TryAgain {};

class Mirrors {
public:
    // Both must outlive the mirrors.
    Mirrors(capture::PostgresSource& source, lake::DuckLake& lake, const Config& config);

    // Whether mirrors need a batch although no change waits: tables to copy, or a table that changed its shape.
    bool is_due();

    // All that batch number `batch` means for the mirrors. Call in BatchPlan::also.
    // Throws TryAgain, and what source and lake throw.
    void apply(std::int64_t batch);

    // What became of the batch.
    void committed();
    void rolled_back();

private:
    struct Mirror {
        std::string state;  // as in eider.tables
        std::string reason;
        Shape shape;        // as the lake's table has it
    };

    void load();
    std::string why_not(const Shape& shape) const;
    void run_over_rows(const Shape& shape, std::vector<lake::RowColumn> columns, lake::RowStreams streams, const std::string& statement);
    void check_not_rewritten(const Shape& shape);
    void drop_gone(const std::map<std::uint32_t, Shape>& shapes);
    void drop(const Mirror& mirror);
    void copy(const Shape& shape);
    void apply_changes(const Shape& shape);
    void settle_doubts(const Shape& shape);
    void append_corrections(const Shape& shape);
    void quarantine(const Shape& shape, const std::string& reason);
    void note(const Mirror& mirror, std::optional<std::int64_t> row_count = std::nullopt);

    capture::PostgresSource& source_;
    lake::DuckLake& lake_;
    const Config& config_;
    std::optional<std::map<std::uint32_t, Mirror>> mirrors_;  // by oid; empty: to be read from the lake
    std::map<std::uint32_t, std::string> unfit_;  // tables whose copy failed, and why: to be quarantined by the next try
    std::string seen_;             // fingerprint of the catalogs when nothing was due
    std::int64_t batch_ = 0;
    bool has_more_ = false;        // tables wait for their first copy
};

}  // namespace eider::mirror
