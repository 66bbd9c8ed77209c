// `eider sql`: what init runs on the source, as text for migration frameworks.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "capture/install.h"
#include "capture/tables.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "postgres/connection.h"

namespace eider::cli {
namespace {

void print_sql(const Context& context, const std::string& sql) {
    print(context.json ? nlohmann::json{{"sql", sql}}.dump(2) + "\n" : sql);
}

// The tables that the configuration names and the source has: the only thing here that needs a connection.
std::vector<capture::WantedTable> tables_of_source(const Config& config) {
    postgres::Connection connection(config.required_source());
    capture::check_server(connection);
    capture::Choice choice = capture::choose_tables(connection, config);
    for (const auto& warning : choice.warnings) spdlog::warn("{}", warning);
    return std::move(choice.tables);
}

void add_install(CLI::App& sql, Context& context, const std::string& name, const std::string& description) {
    CLI::App* command = add_command(sql, name, description,
                                    "eider sql " + name + " > migrations/eider.sql\neider sql " + name + " --attach");
    auto attach = std::make_shared<bool>(false);
    command->add_flag("--attach", *attach, "Also attach the configured tables, which are looked up in the source");
    on_run(command, context, [&context, attach] {
        const Config config = context.load_config();
        print_sql(context, capture::install_sql(
                               config, *attach ? tables_of_source(config) : std::vector<capture::WantedTable>{}));
        return 0;
    });
}

}  // namespace

void add_sql(CLI::App& app, Context& context) {
    CLI::App* sql = add_command(app, "sql", "Print the SQL that init and uninstall run on the source, for migrations",
                                "eider sql install > migrations/eider.sql");
    sql->require_subcommand(1);
    add_install(*sql, context, "install", "Print the SQL that installs capture; it may be run again");
    add_install(*sql, context, "upgrade", "Print the SQL that brings an older capture up to this eider");
    CLI::App* uninstall = add_command(*sql, "uninstall", "Print the SQL that takes capture off the source",
                                      "eider sql uninstall | psql \"$DATABASE_URL\"");
    on_run(uninstall, context, [&context] {
        print_sql(context, capture::uninstall_sql(context.load_config()));
        return 0;
    });
}

}  // namespace eider::cli
