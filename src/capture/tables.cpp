#include "capture/tables.h"

#include <algorithm>
#include <map>
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

// A pattern without wildcards names one table: what is wrong with that table is the user's to know now.
void check_exact(const TablePattern& pattern, const std::vector<Candidate>& candidates) {
    const auto found = std::find_if(candidates.begin(), candidates.end(),
                                    [&](const Candidate& c) { return c.schema == pattern.schema() && c.name == pattern.table(); });
    const std::string what = at(pattern.where()) + pattern.text();
    if (found == candidates.end()) {
        std::vector<std::string> names;
        for (const auto& c : candidates) names.push_back(label_of(c));
        const std::string near = closest(pattern.schema() + "." + pattern.table(), names);
        throw Error(ErrorKind::config, what + " does not exist in this database",
                    near.empty() ? "name an existing table, or a pattern such as \"" + pattern.schema() + ".*\"" : "did you mean " + near + "?");
    }
    if (!is_table(*found)) {
        throw Error(ErrorKind::config, fmt::format("{} is {}", what, kind_name(found->kind)),
                    "only tables have changes that triggers see: name the tables behind it");
    }
    if (found->is_partition) {
        throw Error(ErrorKind::config, what + " is a partition", "name the partitioned table; its changes come with all its partitions");
    }
    if (!found->may_attach) {
        throw Error(ErrorKind::source_denied, "no right to put triggers on " + what,
                    fmt::format("let its owner run: GRANT SELECT, TRIGGER ON {}.{} TO {}", quote_ident(found->schema), quote_ident(found->name),
                                "the role that runs eider"));
    }
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
TableOptions checked_options(Connection& connection, const Candidate& c, const Config& config) {
    TableOptions options = config.options_for(c.schema, c.name);
    if (options.exclude.empty() && options.hash.empty()) return options;
    const auto columns = columns_of(connection, c.oid);
    const bool is_named = std::any_of(config.rules.begin(), config.rules.end(), [&](const TableRule& rule) {
        return rule.match.is_exact() && rule.match.matches(c.schema, c.name);
    });
    for (auto* list : {&options.exclude, &options.hash}) {
        const auto missing = [&](const std::string& column) { return std::find(columns.begin(), columns.end(), column) == columns.end(); };
        const auto bad = std::find_if(list->begin(), list->end(), missing);
        if (bad != list->end() && is_named) {
            const std::string near = closest(*bad, columns);
            throw Error(ErrorKind::config,
                        fmt::format("{}{} has no column {}", at(options.origins.empty() ? "" : options.origins.back()), label_of(c), *bad),
                        near.empty() ? "its columns are: " + join(columns, ", ") : "did you mean " + near + "?");
        }
        std::erase_if(*list, missing);
    }
    return options;
}

void check_filter(Connection& connection, const Candidate& c, const TableOptions& options) {
    if (options.where.empty()) return;
    const std::string table = quote_ident(c.schema) + "." + quote_ident(c.name);
    try {
        connection.run(fmt::format("SELECT FROM {} AS eider_row WHERE (({}\n)) LIMIT 0", table, options.where));
    } catch (const Error& error) {
        throw Error(ErrorKind::config,
                    fmt::format("{}where of {}: {}", at(options.origins.empty() ? "" : options.origins.back()), label_of(c), error.what()),
                    "write a condition on the columns of the row, as after WHERE");
    }
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
            if (error.kind() != ErrorKind::source_busy || attempt == attach_tries) return {.changed = false, .problem = error.what()};
            std::this_thread::sleep_for(50ms * (1 << attempt));  // writers go first
        }
    }
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
    for (const auto& pattern : config.capture.tables) {
        if (pattern.is_exact()) check_exact(pattern, candidates);
    }
    for (const auto& rule : config.rules) {
        if (rule.match.is_exact()) check_exact(rule.match, candidates);
    }

    Choice choice;
    for (const auto& c : candidates) {
        if (!is_table(c) || c.is_partition || !config.captures(c.schema, c.name)) continue;
        const bool is_named = std::any_of(config.capture.tables.begin(), config.capture.tables.end(), [&](const TablePattern& p) {
            return p.is_exact() && p.matches(c.schema, c.name);
        });
        if (c.of_extension && !is_named) continue;  // PostGIS's spatial_ref_sys and the like
        if (!c.may_attach) {
            choice.warnings.push_back(label_of(c) + " matches but is left out: no right to put triggers on it (GRANT SELECT, TRIGGER)");
            continue;
        }
        const TableOptions options = checked_options(connection, c, config);
        check_filter(connection, c, options);
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
    connection.query("SELECT audit.refresh_names()");
    std::map<std::uint32_t, std::string> unwanted;
    const auto attached = connection.query(std::string(sql::attached));
    for (int row = 0; row < attached.rows(); ++row) {
        unwanted[static_cast<std::uint32_t>(attached.unsigned_integer(row, 0))] = attached.string(row, 1) + "." + attached.string(row, 2);
    }
    for (const auto& table : choice.tables) {
        unwanted.erase(table.oid);
        crash_point("attach.before");
        const Attempt attempt =
            with_retries(connection, config.capture.lock_timeout_ms, "SELECT audit.attach($1::oid::regclass, $2::jsonb, $3::boolean)",
                         {std::to_string(table.oid), table.options, all_columns ? "true" : "false"});
        if (attempt.changed) report.attached.push_back(table.label());
        if (!attempt.problem.empty()) report.unattached.push_back(table.label() + ": " + attempt.problem);
    }
    for (const auto& [oid, label] : unwanted) {
        const Attempt attempt =
            with_retries(connection, config.capture.lock_timeout_ms, "SELECT audit.detach($1::oid::regclass)", {std::to_string(oid)});
        if (attempt.problem.empty()) report.detached.push_back(label);
        else report.unattached.push_back(label + " cannot be detached: " + attempt.problem);
    }
    return report;
}

AttachReport TableWatch::look(Connection& connection) {
    const std::string now = connection.query(std::string(sql::catalog_fingerprint)).string(0, 0);
    if (now == seen_ && std::chrono::steady_clock::now() < again_at_) return {};
    AttachReport report = attach_tables(connection, config_, choose_tables(connection, config_));
    // What we did has changed the fingerprint: the next look takes it for new once, and finds nothing to do.
    seen_ = connection.query(std::string(sql::catalog_fingerprint)).string(0, 0);
    again_at_ = report.unattached.empty() ? std::chrono::steady_clock::time_point::max() : std::chrono::steady_clock::now() + 30s;
    return report;
}

}  // namespace eider::capture
