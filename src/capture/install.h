// The SQL that puts capture into a source and takes it out again: what `eider init` runs is what `eider sql` prints.
//
// Threads: values and one connection.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/tables.h"
#include "config/config.h"
#include "postgres/connection.h"

namespace eider::capture {

// Raised with each change of sql/install_*.sql that an installed source must get.
inline constexpr std::string_view schema_version = "1";

struct Installation {
    std::string id;       // uuid
    std::string version;  // schema_version of the SQL that was run last
    int active_slot = 1;
};

// Idempotent; ends with one audit.attach for each of `tables`.
std::string install_sql(const Config& config, const std::vector<WantedTable>& tables);

// Takes off everything that install_sql put there; also where there is nothing.
std::string uninstall_sql(const Config& config);

// nullopt: nothing is installed.
std::optional<Installation> read_installation(postgres::Connection& connection);

// Whether capture is installed, and in this very database: not in another one of which this is a copy.
bool is_installed_here(postgres::Connection& connection);

// Throws Error: not_installed when capture is missing or of another version, source_denied when the role may not use
// it, source_rejected on a server that is too old or a standby.
Installation check_installation(postgres::Connection& connection);

// Refuses a server that cannot be a source: older than 14, a standby, a pooler in transaction mode.
void check_server(postgres::Connection& connection);

// Runs install_sql without tables, in one transaction. Throws Error with what the server said.
void install(postgres::Connection& connection, const Config& config);

void uninstall(postgres::Connection& connection, const Config& config);

}  // namespace eider::capture
