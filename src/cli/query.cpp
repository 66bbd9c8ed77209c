// `eider query`: SQL on the lake, for those who have no other DuckDB at hand. `eider attach`: for those who have.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wiring.h"

namespace eider::cli {
namespace {

struct QueryFlags {
    std::string sql;
    bool csv = false;
};

std::string without_semicolon(std::string_view sql) {
    sql = trim(sql);
    while (!sql.empty() && sql.back() == ';') sql = trim(sql.substr(0, sql.size() - 1));
    return std::string(sql);
}

// One document a row, made by DuckDB, which knows nested types.
std::string as_json_array(const lake::Rows& documents) {
    std::string out = "[";
    for (std::size_t row = 0; row < documents.rows.size(); ++row) {
        out += row == 0 ? "\n" : ",\n";
        out += documents.text(row, 0);
    }
    return out + "\n]\n";
}

// DuckDB shows what it was told to attach, with the password (duckdb_databases(), for one). Only this very string is
// replaced: what the lake holds is shown as it is.
void hide_location(lake::Rows& rows, const std::string& location) {
    const std::string shown = redact(location);
    if (shown == location) return;
    for (auto& row : rows.rows) {
        for (auto& cell : row) {
            if (!cell) continue;
            for (std::size_t at = 0; (at = cell->find(location, at)) != std::string::npos; at += shown.size()) {
                cell->replace(at, location.size(), shown);
            }
        }
    }
}

int run_query(const Context& context, const QueryFlags& flags) {
    const std::string sql = without_semicolon(flags.sql);
    const lake::LakeOptions lake_at = lake_options(context.load_config());
    lake::DuckLake lake(lake_at, lake::Access::read);
    lake::Session& session = lake.session();
    const bool is_query = session.is_query(sql);
    if (is_query && context.json) {
        lake::Rows documents =
            session.query(fmt::format("SELECT to_json(eider_result)::VARCHAR FROM (\n{}\n) AS eider_result", sql));
        const std::string escaped = nlohmann::json(lake_at.location).dump();
        hide_location(documents, escaped.substr(1, escaped.size() - 2));
        print(as_json_array(documents));
        return 0;
    }
    // A query's columns are cast by DuckDB, whatever their type; other statements (EXPLAIN, CALL) return text.
    lake::Rows rows =
        session.query(is_query ? fmt::format("SELECT COLUMNS(*)::VARCHAR FROM (\n{}\n) AS eider_result", sql) : sql);
    hide_location(rows, lake_at.location);
    Table table;
    for (const auto& name : rows.columns) table.columns.push_back({name});
    table.rows = rows.rows;
    if (context.json) print(as_json(table));
    else if (flags.csv) print(as_csv(table));
    else print(as_aligned_text(table, stdout_style()));
    return 0;
}

}  // namespace

void add_query(CLI::App& app, Context& context) {
    CLI::App* command = add_command(
        app, "query", "Run SQL on the lake, which is attached as \"lake\"",
        "eider query \"SELECT cdc_op, count(*) FROM cdc GROUP BY 1\"\n  eider query --csv \"FROM cdc\" > changes.csv");
    auto flags = std::make_shared<QueryFlags>();
    command->add_option("SQL", flags->sql, "One statement, in DuckDB's dialect")->required();
    command->add_flag("--csv", flags->csv, "The result as CSV");
    on_run(command, context, [&context, flags] { return run_query(context, *flags); });
}

void add_attach(CLI::App& app, Context& context) {
    CLI::App* command = add_command(app, "attach", "Print the SQL with which any DuckDB opens the lake, read-only",
                                    "eider attach | duckdb -init /dev/stdin");
    on_run(command, context, [&context] {
        print(lake::attach_sql(lake_options(context.load_config())));
        return 0;
    });
}

}  // namespace eider::cli
