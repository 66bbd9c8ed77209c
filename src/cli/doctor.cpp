// `eider doctor`: looks at everything that a sync depends on and says what to do about each finding.
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/snapshot.h"
#include "base/text.h"
#include "base/version.h"
#include "capture/health.h"
#include "capture/install.h"
#include "capture/tables.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wiring.h"

namespace eider::cli {
namespace {

namespace fs = std::filesystem;

constexpr double old_transaction_s = 3600;
constexpr std::int64_t free_bytes_min = 1LL << 30;

enum class Level { good, warning, bad };

struct Finding {
    Level level = Level::good;
    std::string what;
    std::string todo;  // empty for good ones
};

using Findings = std::vector<Finding>;

const char* name_of(Level level) {
    switch (level) {
        case Level::good: return "ok";
        case Level::warning: return "warning";
        case Level::bad: return "problem";
    }
    return "";
}

// One check. What it throws is a finding, too: the checks after it still run.
void check(Findings& findings, const std::function<void()>& look) {
    try {
        look();
    } catch (const Error& error) {
        findings.push_back({Level::bad, error.what(), error.hint()});
    }
}

void check_engine(Findings& findings, const Config& config) {
    check(findings, [&] {
        const lake::EngineOptions options = lake_options(config).engine;
        const lake::Engine engine(options, {"ducklake", "postgres_scanner", "sqlite_scanner"});
        const std::string found = lake::library_version();
        const std::string where = lake::extension_directory(options.extension_directory).string();
        findings.push_back(
            {Level::good,
             fmt::format("DuckDB {} with its extensions from {}", found, where.empty() ? "DuckDB's own folder" : where),
             {}});
        if (found != "v" EIDER_DUCKDB_VERSION) {
            findings.push_back({Level::warning,
                                fmt::format("eider is tested with DuckDB {}, this is {}", EIDER_DUCKDB_VERSION, found),
                                "run ./setup to get the tested version, unless you chose this one"});
        }
    });
}

void check_rights(Findings& findings, postgres::Connection& source) {
    const auto rights = source.query(
        "SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), "
        "has_schema_privilege('audit', 'USAGE') AND has_function_privilege('audit.rotate()', 'EXECUTE')");
    if (!rights.boolean(0, 2)) {
        findings.push_back(
            {Level::bad, fmt::format("role {} may not use capture", rights.text(0, 0)),
             fmt::format("GRANT eider TO {} (the role that init made)", quote_ident(rights.text(0, 0)))});
    } else {
        findings.push_back(
            {Level::good, fmt::format("role {} may read, rotate and release the change log", rights.text(0, 0)), {}});
    }
    const auto owner = source.query(
        "SELECT pg_get_userbyid(nspowner), r.rolcanlogin OR r.rolsuper FROM pg_namespace JOIN pg_roles AS r ON r.oid = "
        "nspowner "
        "WHERE nspname = 'audit'");
    if (!owner.empty() && owner.boolean(0, 1)) {
        findings.push_back(
            {Level::warning,
             fmt::format("capture runs with the rights of {}, a role with rights elsewhere", owner.text(0, 0)),
             "let an administrator create the role eider_owner (NOLOGIN), uninstall, and init again"});
    }
}

void check_write_ahead_log(Findings& findings, postgres::Connection& source) {
    const auto logged = source.query(
        "SELECT count(*) FROM pg_class WHERE oid IN ('audit.cdc_1'::regclass, 'audit.cdc_2'::regclass, "
        "'audit.cdc_3'::regclass) AND relpersistence <> 'u'");
    if (logged.integer(0, 0) == 0) {
        findings.push_back({Level::good, "the change log writes no WAL, and no replication slot is used", {}});
    } else {
        findings.push_back({Level::good, "the change log is logged: it survives a crash, at the price of WAL", {}});
    }
}

void check_tables(Findings& findings, postgres::Connection& source, const Config& config, const std::string& cursor) {
    const auto tables = capture::table_health(source, cursor);
    for (const auto& table : tables) {
        const std::string label = table.schema + "." + table.name;
        for (const auto& problem : table.problems) {
            findings.push_back({Level::bad, label + ": " + problem,
                                "changes since then are not captured; run eider init (or let the next sync mend it)"});
        }
        if (!table.left_out.empty()) {
            findings.push_back({Level::warning,
                                fmt::format("{}: new columns are not recorded: {}", label, join(table.left_out, ", ")),
                                "eider init --new-columns records them; naming them in exclude keeps them out"});
        }
    }
    for (const auto& warning : capture::choose_tables(source, config).warnings)
        findings.push_back({Level::warning, warning, "see [capture] in eider.toml"});
    findings.push_back({Level::good, count_of(static_cast<std::int64_t>(tables.size()), "table") + " captured", {}});
}

void check_transactions(Findings& findings, postgres::Connection& source) {
    const auto old = capture::old_transactions(source, old_transaction_s);
    for (const auto& transaction : old) {
        findings.push_back(
            {Level::warning,
             fmt::format("a transaction is open for {}: {}", human_seconds(transaction.age_s), transaction.who),
             "end it: what it writes cannot be moved before, and a slot it wrote to cannot be released"});
    }
    if (old.empty()) findings.push_back({Level::good, "no transaction is older than an hour", {}});
}

void check_source(Findings& findings, const Config& config, const std::string& cursor) {
    check(findings, [&] {
        postgres::Connection source(config.required_source());
        capture::check_server(source);
        findings.push_back(
            {Level::good,
             fmt::format("source: database {}, PostgreSQL {}.{}, as {}", source.database(),
                         source.server_version() / 10000, source.server_version() % 10000, source.user()),
             {}});
        capture::check_installation(source);
        check(findings, [&] { check_rights(findings, source); });
        check(findings, [&] { check_write_ahead_log(findings, source); });
        check(findings, [&] { check_tables(findings, source, config, cursor); });
        check(findings, [&] { check_transactions(findings, source); });
    });
}

// Returns the cursor that the lake has, for what is pending.
std::string check_lake(Findings& findings, const Config& config) {
    std::string cursor(empty_cursor);
    check(findings, [&] {
        lake::DuckLake lake(lake_options(config), lake::Access::read);
        const lake::LakeStatus status = lake.status();
        findings.push_back(
            {Level::good, fmt::format("lake: snapshot {}, {}", status.snapshot, count_of(status.events, "event")), {}});
        if (const auto head = lake.head(config.consumer)) cursor = head->cursor;
        else
            findings.push_back(
                {Level::bad, fmt::format("the lake knows no consumer '{}'", config.consumer), "run eider init"});
    });
    return cursor;
}

void check_space(Findings& findings, const std::string& what, const fs::path& folder) {
    if (folder.empty() || folder.string().find("://") != std::string::npos) return;
    struct statvfs space {};
    if (statvfs(folder.c_str(), &space) != 0) {
        findings.push_back(
            {Level::bad, fmt::format("{} {} is not there", what, folder.string()), "create it, or run eider init"});
        return;
    }
    const auto free = static_cast<std::int64_t>(space.f_bavail) * static_cast<std::int64_t>(space.f_frsize);
    if (free < free_bytes_min) {
        findings.push_back({Level::warning,
                            fmt::format("{} {} has only {} left", what, folder.string(), human_bytes(free)),
                            "make room: a batch needs space for its files"});
    } else {
        findings.push_back(
            {Level::good, fmt::format("{} {} has {} left", what, folder.string(), human_bytes(free)), {}});
    }
}

void print_findings(const Context& context, const Findings& findings) {
    if (context.json) {
        auto list = nlohmann::ordered_json::array();
        for (const auto& f : findings)
            list.push_back({{"level", name_of(f.level)}, {"what", f.what}, {"todo", f.todo}});
        print(list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
        return;
    }
    for (const auto& f : findings) {
        print(fmt::format("{:<8} {}\n", name_of(f.level), f.what));
        if (!f.todo.empty()) print(fmt::format("{:<8} -> {}\n", "", f.todo));
    }
}

int run_doctor(const Context& context) {
    const Config config = context.load_config();
    Findings findings;
    for (const auto& warning : config.warnings) findings.push_back({Level::warning, warning, "see eider.toml"});
    check_engine(findings, config);
    const std::string cursor = check_lake(findings, config);
    check_source(findings, config, cursor);
    check_space(findings, "the data folder", config.lake.data_path);
    check_space(findings, "the temporary folder",
                config.engine.temp_directory.empty() ? fs::temp_directory_path() : config.engine.temp_directory);
    print_findings(context, findings);
    const bool is_well =
        std::none_of(findings.begin(), findings.end(), [](const Finding& f) { return f.level == Level::bad; });
    return is_well ? 0 : 1;
}

}  // namespace

void add_doctor(CLI::App& app, Context& context) {
    CLI::App* command =
        add_command(app, "doctor",
                    "Check versions, rights, triggers, transactions and disk space; exit code 1 if something is wrong",
                    "eider doctor");
    on_run(command, context, [&context] { return run_doctor(context); });
}

}  // namespace eider::cli
