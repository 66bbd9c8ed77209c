#include "capture/tables.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/crash_point.h"
#include "base/text.h"
#include "capture_sql.h"

namespace eider::capture {
namespace {

using namespace std::chrono_literals;
using postgres::Connection;
using postgres::Transaction;

constexpr int attach_tries = 5;

struct Candidate {
    std::uint32_t oid = 0;
    std::string schema;
    std::string name;
    char kind = 'r';
    bool is_partition = false;
    bool may_attach = false;
    bool of_extension = false;
};

std::vector<Candidate> read_candidates(Connection& connection, const Config& config) {
    const auto rows = connection.query(std::string(sql::candidates), {config.lake.catalog_schema});
    std::vector<Candidate> candidates;
    for (int row = 0; row < rows.rows(); ++row) {
        candidates.push_back({.oid = static_cast<std::uint32_t>(rows.unsigned_integer(row, 0)),
                              .schema = rows.string(row, 1),
                              .name = rows.string(row, 2),
                              .kind = rows.text(row, 3)[0],
                              .is_partition = rows.boolean(row, 4),
                              .may_attach = rows.boolean(row, 5),
                              .of_extension = rows.boolean(row, 6)});
    }
    return candidates;
}

// What is in the registry already: somebody decided it, and the catalog may have changed since.
struct Registered {
    std::map<std::uint32_t, nlohmann::json> options;  // of attached tables, by oid
    std::set<std::string> labels;                     // of all that ever were

    bool names(std::uint32_t oid, const char* option, const std::string& column) const {
        const auto found = options.find(oid);
        if (found == options.end() || !found->second.contains(option)) return false;
        const auto& list = found->second.at(option);
        return std::find(list.begin(), list.end(), column) != list.end();
    }
};

Registered read_registered(Connection& connection) {
    Registered registered;
    const auto may =
        connection.query("SELECT coalesce(has_table_privilege(to_regclass('audit.relation'), 'SELECT'), false)");
    if (!may.boolean(0, 0)) return registered;
    const auto rows = connection.query(std::string(sql::read_registered));
    for (int row = 0; row < rows.rows(); ++row) {
        registered.labels.insert(rows.string(row, 1) + "." + rows.string(row, 2));
        if (rows.boolean(row, 3))
            registered.options[static_cast<std::uint32_t>(rows.unsigned_integer(row, 0))] =
                nlohmann::json::parse(rows.text(row, 4));
    }
    return registered;
}

std::string label_of(const Candidate& c) {
    return c.schema + "." + c.name;
}

const char* kind_name(char kind) {
    switch (kind) {
        case 'v': return "a view";
        case 'm': return "a materialized view";
        case 'f': return "a foreign table";
        default: return "a table";
    }
}

bool is_table(const Candidate& c) {
    return c.kind == 'r' || c.kind == 'p';
}

std::string at(const std::string& where) {
    return where.empty() ? "" : where + ": ";
}

// A pattern without wildcards names one table: what is wrong with that table is the user's to know now. A table that was
// captured and then dropped is no mistake in the configuration: returns a warning.
std::string check_exact(const TablePattern& pattern, const std::vector<Candidate>& candidates,
                        const Registered& registered) {
    const auto found = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& c) {
        return c.schema == pattern.schema() && c.name == pattern.table();
    });
    const std::string what = at(pattern.where()) + pattern.text();
    if (found == candidates.end()) {
        if (registered.labels.contains(pattern.schema() + "." + pattern.table()))
            return what + " is gone from this database";
        std::vector<std::string> names;
        for (const auto& c : candidates) names.push_back(label_of(c));
        const std::string near = closest(pattern.schema() + "." + pattern.table(), names);
        throw Error(ErrorKind::config, what + " does not exist in this database",
                    near.empty() ? "name an existing table, or a pattern such as \"" + pattern.schema() + ".*\""
                                 : "did you mean " + near + "?");
    }
    if (!is_table(*found)) {
        throw Error(ErrorKind::config, fmt::format("{} is {}", what, kind_name(found->kind)),
                    "only tables have changes that triggers see: name the tables behind it");
    }
    if (found->is_partition) {
        throw Error(ErrorKind::config, what + " is a partition",
                    "name the partitioned table; its changes come with all its partitions");
    }
    if (!found->may_attach) {
        throw Error(ErrorKind::source_denied, "no right to put triggers on " + what,
                    fmt::format("let its owner run: GRANT SELECT, TRIGGER ON {}.{} TO {}", quote_ident(found->schema),
                                quote_ident(found->name), "the role that runs eider"));
    }
    return {};
}

std::vector<std::string> columns_of(Connection& connection, std::uint32_t oid) {
    const auto rows = connection.query(std::string(sql::columns_of), {std::to_string(oid)});
    std::vector<std::string> columns;
    for (int row = 0; row < rows.rows(); ++row) columns.push_back(rows.string(row, 0));
    return columns;
}

std::string options_json(const TableOptions& options) {
    nlohmann::json json = nlohmann::json::object();
    if (!options.exclude.empty()) json["exclude"] = options.exclude;
    if (!options.hash.empty()) json["hash"] = options.hash;
    if (!options.where.empty()) json["where"] = options.where;
    if (options.before) json["before"] = true;
    if (options.context) json["context"] = true;
    if (options.always) json["always"] = true;
    return json.dump();
}

// A column that is not there is refused where its table is named, and passed over where a pattern covers many tables.
// One that was there when the table was attached stays: renamed or dropped since, it is still excluded or hashed by its
// number, and taking its old name off the list would record it.
TableOptions checked_options(Connection& connection, const Candidate& c, const Config& config,
                             const Registered& registered) {
    TableOptions options = config.options_for(c.schema, c.name);
    if (options.exclude.empty() && options.hash.empty()) return options;
    const auto columns = columns_of(connection, c.oid);
    const bool is_named = std::any_of(config.rules.begin(), config.rules.end(), [&](const TableRule& rule) {
        return rule.match.is_exact() && rule.match.matches(c.schema, c.name);
    });
    for (auto* list : {&options.exclude, &options.hash}) {
        const auto missing = [&](const std::string& column) {
            return std::find(columns.begin(), columns.end(), column) == columns.end() &&
                   !registered.names(c.oid, list == &options.exclude ? "exclude" : "hash", column);
        };
        const auto bad = std::find_if(list->begin(), list->end(), missing);
        if (bad != list->end() && is_named) {
            const std::string near = closest(*bad, columns);
            throw Error(ErrorKind::config,
                        fmt::format("{}{} has no column {}", at(options.origins.empty() ? "" : options.origins.back()),
                                    label_of(c), *bad),
                        near.empty() ? "its columns are: " + join(columns, ", ") : "did you mean " + near + "?");
        }
        std::erase_if(*list, missing);
    }
    return options;
}

// PostgreSQL's parser says what a filter uses, of a view that is never committed.
void check_filter(Connection& connection, const Candidate& c, const TableOptions& options,
                  const Registered& registered) {
    if (options.where.empty()) return;
    const auto attached = registered.options.find(c.oid);
    if (attached != registered.options.end() && attached->second.value("where", "") == options.where) return;
    const std::string what =
        fmt::format("{}where of {}", at(options.origins.empty() ? "" : options.origins.back()), label_of(c));
    const std::string table = quote_ident(c.schema) + "." + quote_ident(c.name);
    const Transaction transaction(connection);  // rolls back
    try {
        connection.run(fmt::format("CREATE TEMPORARY VIEW eider_filter AS SELECT 1 AS one FROM {} AS r WHERE ({}\n)",
                                   table, options.where));
    } catch (const postgres::SqlError& error) {
        if (error.kind() == ErrorKind::source_lost) throw;
        throw Error(ErrorKind::config, fmt::format("{}: {}", what, error.what()),
                    "write a condition on the columns of the row, as after WHERE");
    }
    const auto uses = connection.query(std::string(sql::filter_uses), {std::to_string(c.oid)});
    if (uses.empty()) return;
    throw Error(ErrorKind::config, fmt::format("{} uses {}", what, uses.text(0, 0)),
                "a filter may use the columns of its table and what PostgreSQL brings: it runs with the rights of a "
                "role that has none");
}

struct Attempt {
    bool changed = false;  // what the statement returned, if it is a boolean
    std::string problem;   // why it could not be done; empty: done
};

// Runs `statement` in a transaction of its own, with a short wait for locks, a few times.
Attempt with_retries(Connection& connection, std::int64_t lock_timeout_ms, const std::string& statement,
                     const std::vector<postgres::Parameter>& parameters) {
    for (int attempt = 1;; ++attempt) {
        try {
            Transaction transaction(connection);
            connection.run(fmt::format("SET LOCAL lock_timeout = {}", lock_timeout_ms));
            const bool changed = connection.query(statement, parameters).boolean(0, 0);
            crash_point("attach.before_commit");
            transaction.commit();
            crash_point("attach.after_commit");
            return {.changed = changed, .problem = {}};
        } catch (const postgres::SqlError& error) {
            if (error.kind() == ErrorKind::source_lost) throw;
            if (error.kind() != ErrorKind::source_busy || attempt == attach_tries)
                return {.changed = false, .problem = error.what()};
            std::this_thread::sleep_for(50ms * (1 << attempt));  // writers go first
        }
    }
}

std::string as_json(const std::vector<WantedTable>& tables) {
    nlohmann::json json = nlohmann::json::array();
    for (const auto& table : tables)
        json.push_back({{"oid", table.oid}, {"options", nlohmann::json::parse(table.options)}});
    return json.dump();
}

}  // namespace

std::string WantedTable::quoted() const {
    return quote_ident(schema) + "." + quote_ident(name);
}

std::string WantedTable::label() const {
    return schema + "." + name;
}

Choice choose_tables(Connection& connection, const Config& config) {
    const auto candidates = read_candidates(connection, config);
    const Registered registered = read_registered(connection);
    Choice choice;
    const auto check = [&](const TablePattern& pattern) {
        if (!pattern.is_exact()) return;
        if (std::string warning = check_exact(pattern, candidates, registered); !warning.empty())
            choice.warnings.push_back(std::move(warning));
    };
    for (const auto& pattern : config.capture.tables) check(pattern);
    for (const auto& rule : config.rules) check(rule.match);

    for (const auto& c : candidates) {
        if (!is_table(c) || c.is_partition || !config.captures(c.schema, c.name)) continue;
        const bool is_named =
            std::any_of(config.capture.tables.begin(), config.capture.tables.end(),
                        [&](const TablePattern& p) { return p.is_exact() && p.matches(c.schema, c.name); });
        if (c.of_extension && !is_named) continue;  // PostGIS's spatial_ref_sys and the like
        if (!c.may_attach) {
            choice.warnings.push_back(
                label_of(c) + " matches but is left out: no right to put triggers on it (GRANT SELECT, TRIGGER)");
            continue;
        }
        const TableOptions options = checked_options(connection, c, config, registered);
        check_filter(connection, c, options, registered);
        choice.tables.push_back({.oid = c.oid, .schema = c.schema, .name = c.name, .options = options_json(options)});
    }
    for (const auto& pattern : config.capture.tables) {
        if (std::none_of(candidates.begin(), candidates.end(),
                         [&](const Candidate& c) { return is_table(c) && pattern.matches(c.schema, c.name); })) {
            choice.warnings.push_back(fmt::format("{}{} matches no table yet", at(pattern.where()), pattern.text()));
        }
    }
    return choice;
}

AttachReport attach_tables(Connection& connection, const Config& config, const Choice& choice, bool all_columns) {
    AttachReport report;
    const auto change = [&](const std::string& label, std::vector<std::string>& done, const std::string& statement,
                            const std::vector<postgres::Parameter>& parameters) {
        const Attempt attempt = with_retries(connection, config.capture.lock_timeout_ms, statement, parameters);
        if (attempt.changed) done.push_back(label);
        if (!attempt.problem.empty()) report.unattached.push_back(label + ": " + attempt.problem);
    };
    connection.query("SELECT audit.refresh()");
    const std::string wanted = as_json(choice.tables);

    // First what goes: a table that became a partition must lose its own triggers before its root gets its.
    const auto unwanted = connection.query(std::string(sql::to_detach), {wanted});
    for (int row = 0; row < unwanted.rows(); ++row) {
        change(unwanted.string(row, 1) + "." + unwanted.string(row, 2), report.detached,
               "SELECT audit.detach($1::oid::regclass)", {unwanted.string(row, 0)});
    }
    std::set<std::uint32_t> to_attach;
    const auto wrong = connection.query(std::string(sql::to_attach), {wanted, all_columns ? "true" : "false"});
    for (int row = 0; row < wrong.rows(); ++row)
        to_attach.insert(static_cast<std::uint32_t>(wrong.unsigned_integer(row, 0)));
    for (const auto& table : choice.tables) {
        if (!to_attach.contains(table.oid)) continue;
        crash_point("attach.before");
        change(table.label(), report.attached, "SELECT audit.attach($1::oid::regclass, $2::jsonb, $3::boolean)",
               {std::to_string(table.oid), table.options, all_columns ? "true" : "false"});
    }
    return report;
}

AttachReport TableWatch::look(Connection& connection) {
    const std::string now = connection.query(std::string(sql::catalog_fingerprint)).string(0, 0);
    if (now == seen_ && std::chrono::steady_clock::now() < again_at_) return {};
    AttachReport report = attach_tables(connection, config_, choose_tables(connection, config_));
    // What we did has changed the fingerprint: the next look takes it for new once, and finds nothing to do.
    seen_ = connection.query(std::string(sql::catalog_fingerprint)).string(0, 0);
    again_at_ = report.unattached.empty() ? std::chrono::steady_clock::time_point::max()
                                          : std::chrono::steady_clock::now() + 30s;
    return report;
}

}  // namespace eider::capture
