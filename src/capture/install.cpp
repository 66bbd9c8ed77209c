#include "capture/install.h"

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/text.h"
#include "base/version.h"
#include "capture_sql.h"

namespace eider::capture {
namespace {

using postgres::Connection;

constexpr int oldest_server = 140000;

// As which changes are recorded: a role that may add to the slots and nothing else.
std::string writer_role(const Config& config) {
    return config.capture.role + "_writer";
}

std::string attach_statements(const std::vector<WantedTable>& tables) {
    std::string out;
    for (const auto& table : tables) {
        if (out.empty())
            out =
                "\n-- === What is captured "
                "================================================================================================\n\n";
        out += fmt::format("SELECT audit.attach({}{});\n", quote_literal(table.quoted()),
                           table.options == "{}" ? "" : ", " + quote_literal(table.options));
    }
    return out;
}

}  // namespace

std::string install_sql(const Config& config, const std::vector<WantedTable>& tables) {
    std::string text;
    for (const auto part :
         {sql::install_schema, sql::install_capture, sql::install_slots, sql::install_attach, sql::install_rights})
        text += part;
    text = fill(text, {{"version", EIDER_VERSION},
                       {"here", trim(sql::here)},
                       {"version_literal", quote_literal(schema_version)},
                       {"owner", quote_literal(config.capture.owner)},
                       {"writer", quote_literal(writer_role(config))},
                       {"role", quote_literal(config.capture.role)},
                       {"durability", config.capture.durability == Durability::unlogged ? "'unlogged'" : "'logged'"}});
    return text + attach_statements(tables);
}

std::string uninstall_sql(const Config&) {
    return std::string(sql::uninstall);
}

std::optional<Installation> read_installation(Connection& connection) {
    const auto there = connection.query("SELECT to_regclass('audit.installation') IS NOT NULL");
    if (!there.boolean(0, 0)) return std::nullopt;
    const auto row = connection.query("SELECT id, version, active_slot FROM audit.installation");
    if (row.empty()) return std::nullopt;
    return Installation{
        .id = row.string(0, 0), .version = row.string(0, 1), .active_slot = static_cast<int>(row.integer(0, 2))};
}

bool is_installed_here(Connection& connection) {
    if (!connection.query("SELECT to_regclass('audit.installation') IS NOT NULL").boolean(0, 0)) return false;
    const auto row =
        connection.query(fill("SELECT home = {{here}} FROM audit.installation", {{"here", trim(sql::here)}}));
    return !row.empty() && row.boolean(0, 0);
}

Installation check_installation(Connection& connection) {
    const auto installation = read_installation(connection);
    if (!installation) {
        throw Error(ErrorKind::not_installed,
                    fmt::format("capture is not installed in database {}", connection.database()),
                    "install it: eider init");
    }
    if (installation->version != schema_version) {
        throw Error(ErrorKind::not_installed,
                    fmt::format("capture in database {} is version {}, this eider needs {}", connection.database(),
                                installation->version, schema_version),
                    "run eider init again, or the text of: eider sql upgrade");
    }
    return *installation;
}

void check_server(Connection& connection) {
    if (connection.server_version() < oldest_server) {
        throw Error(
            ErrorKind::source_rejected,
            fmt::format("the server is PostgreSQL {}, eider needs 14 or later", connection.server_version() / 10000),
            "upgrade the server");
    }
    if (connection.query("SELECT pg_is_in_recovery()").boolean(0, 0)) {
        throw Error(ErrorKind::source_rejected,
                    fmt::format("{} is a standby: triggers fire on the primary only", connection.host()),
                    "connect to the primary (target_session_attrs=read-write with several hosts)");
    }
}

void install(Connection& connection, const Config& config) {
    postgres::Transaction transaction(connection);
    connection.run("SET LOCAL client_min_messages = 'notice'");
    connection.run(fmt::format("SET LOCAL lock_timeout = {}", config.capture.lock_timeout_ms));
    connection.run(install_sql(config, {}));
    crash_point("init.before_install_commit");
    transaction.commit();
    crash_point("init.installed");
}

void uninstall(Connection& connection, const Config& config) {
    postgres::Transaction transaction(connection);
    connection.run(fmt::format("SET LOCAL lock_timeout = {}", config.capture.lock_timeout_ms * 4));
    connection.run(uninstall_sql(config));
    transaction.commit();
}

}  // namespace eider::capture
