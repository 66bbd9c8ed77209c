// Which tables are to be captured, and bringing their triggers in line with that.
//
// Guarantees: what cannot be captured is refused before anything is changed. Attaching one table is one transaction
// with a short lock_timeout, tried again a few times: an application never waits long for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "postgres/connection.h"

namespace eider::capture {

struct WantedTable {
    std::uint32_t oid = 0;
    std::string schema;
    std::string name;
    std::string options;  // JSON, as audit.attach takes it

    std::string quoted() const;  // "schema"."name", each quoted
    std::string label() const;   // schema.name, for people
};

struct Choice {
    std::vector<WantedTable> tables;    // by schema and name
    std::vector<std::string> warnings;  // patterns without a match, tables left out
};

// Reads the system catalogs. Throws Error(config) for a table that is named but not there (with a suggestion), not a
// table, or has no such column, and Error(source_denied) where the role may not put triggers on a named table.
Choice choose_tables(postgres::Connection& connection, const Config& config);

struct AttachReport {
    std::vector<std::string> attached;  // labels of tables whose triggers were made or mended
    std::vector<std::string> detached;
    std::vector<std::string> unattached;  // "shop.orders: why"
};

// Attaches what is wanted and not right yet, detaches what is no longer wanted. `all_columns`: see audit.attach.
// A table that cannot be had now is reported, not thrown.
AttachReport attach_tables(postgres::Connection& connection, const Config& config, const Choice& choice,
                           bool all_columns = false);

// The same for a running sync: a no-op of one cheap query while nothing in the catalogs has changed.
class TableWatch {
public:
    explicit TableWatch(const Config& config) : config_(config) {}
    AttachReport look(postgres::Connection& connection);

private:
    const Config& config_;
    std::string seen_;                                  // fingerprint of the catalogs at the last look
    std::chrono::steady_clock::time_point again_at_{};  // when to try once more what could not be had
};

}  // namespace eider::capture
