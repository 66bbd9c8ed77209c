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
#include <utility>
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

// What a comparison of a mirror with its source found, both as of one snapshot.
struct Verification {
    std::string table;      // shop.orders
    std::string reason;     // why there was nothing to compare; empty: there was
    std::int64_t rows = 0;  // of the source
    std::int64_t mirror_rows = 0;
    std::int64_t missing = 0;       // rows of the source that the mirror lacks, or has otherwise
    std::int64_t surplus = 0;       // rows of the mirror that the source does not have, or not so
    std::vector<std::string> keys;  // of the first of both

    bool is_equal() const { return reason.empty() && missing == 0 && surplus == 0; }
};

// The reason of those who want none.
inline constexpr std::string_view switched_off = "mirror = false";

// A table's mirror, as `status` shows it.
struct MirrorState {
    std::string state;  // mirrored, quarantined, waiting, none
    std::string reason;
};

class Mirrors {
public:
    // Both must outlive the mirrors.
    Mirrors(capture::PostgresSource& source, lake::DuckLake& lake, const Config& config);

    // Whether mirrors need a batch although no change waits: tables to copy, or a table that changed its shape.
    bool is_due();

    // All that batch number `batch` means for the mirrors. Call in BatchPlan::also.
    // Throws TryAgain, and what source and lake throw.
    void apply(std::int64_t batch);

    // Compares the mirrors of tables that match (all, where `tables` is empty) with their source, row by row, every
    // column. Call after apply, in the same batch.
    std::vector<Verification> verify(const std::vector<TablePattern>& tables);

    // Has the mirrors of tables that match copied anew by the next batch. The labels of those tables.
    // Throws Error(config) where nothing matches.
    std::vector<std::string> resync(const std::vector<TablePattern>& tables);

    // By schema and table, all that are captured.
    std::map<std::pair<std::string, std::string>, MirrorState> states();

    // What the last apply copied.
    std::int64_t copied_tables() const { return copied_tables_; }
    std::int64_t copied_rows() const { return copied_rows_; }

    // What became of the batch.
    void committed();
    void rolled_back();

private:
    struct Mirror {
        std::string state;  // as in eider.tables
        std::string reason;
        Shape shape;  // as the lake's table has it
    };

    void load();
    void refresh(const std::map<std::uint32_t, Shape>& shapes);
    std::string why_not(const Shape& shape) const;
    void run_over_rows(const Shape& shape, std::vector<lake::RowColumn> columns, lake::RowStreams streams,
                       const std::string& statement);
    void check_not_rewritten(const Shape& shape);
    std::string why_gone(std::uint32_t rel, const std::map<std::uint32_t, Shape>& shapes) const;
    void drop_gone(const std::map<std::uint32_t, Shape>& shapes);
    void drop(const Mirror& mirror);
    void copy(const Shape& shape);
    void find_changes(const Shape& shape);
    bool has_other_shapes(const Shape& shape);
    void apply_changes(const Shape& shape);
    void settle_doubts(const Shape& shape);
    void append_corrections(const Shape& shape);
    Verification verify(const Shape& shape);
    void quarantine(const Shape& shape, const std::string& reason);
    void note(const Mirror& mirror, std::optional<std::int64_t> row_count = std::nullopt);

    capture::PostgresSource& source_;
    lake::DuckLake& lake_;
    const Config& config_;
    std::optional<std::map<std::uint32_t, Mirror>> mirrors_;  // by oid; empty: to be read from the lake
    std::set<std::uint32_t> again_;                           // to be copied anew
    std::map<std::uint32_t, std::string>
        unfit_;         // tables whose copy failed, and why: to be quarantined by the next try
    std::string seen_;  // fingerprint of the catalogs when nothing was due
    std::int64_t batch_ = 0;
    std::int64_t copied_tables_ = 0;
    std::int64_t copied_rows_ = 0;
    bool has_more_ = false;  // tables wait for their first copy
};

}  // namespace eider::mirror
