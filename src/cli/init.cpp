// `eider init`: capture on the source, a lake, and the file that says where both are.
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "base/crash_point.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/snapshot.h"
#include "base/text.h"
#include "capture/install.h"
#include "capture/tables.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wiring.h"

namespace eider::cli {
namespace {

struct InitFlags {
    std::string source;
    std::string tables;
    bool adopt = false;
    bool new_columns = false;
};

// Makes this lake the one that the source's consumer fills.
void start_consumer(lake::DuckLake& lake, capture::PostgresSource& source, const Config& config, bool adopt) {
    const SourceIdentity identity = source.identity();
    const auto head = lake.head(config.consumer);
    const auto confirmed = source.confirmed(config.consumer);
    if (!head || adopt) {
        if (!head && confirmed && confirmed->batch > 0 && !adopt) {
            throw Error(ErrorKind::source_changed,
                        fmt::format("consumer '{}' of this source has already filled another lake, up to batch {}", config.consumer, confirmed->batch),
                        "use that lake; or give this one a name of its own (consumer = \"...\"); or leave the other behind, and with it what "
                        "was released: eider init --adopt");
        }
        // A consumer that starts over reads everything that still lies in the slots.
        if (adopt && head && head->source == identity) return;
        lake.start(config.consumer, random_uuid(), std::string(empty_cursor), identity);
        source.connection().query("SELECT audit.forget($1)", {config.consumer});
    } else if (!(head->source == identity)) {
        throw Error(ErrorKind::source_changed,
                    fmt::format("this lake was filled from installation {} in database '{}', the source is now {} in '{}'", head->source.installation,
                                head->source.database, identity.installation, identity.database),
                    "give the new source a lake of its own (catalog_schema and data_path); or, if it is the same data, go on with a gap: "
                    "eider init --adopt");
    }
    // From now on slots wait for this consumer. One that is known may be at work now: it is not ours to let go of.
    if (source.confirmed(config.consumer)) return;
    const auto head_now = lake.head(config.consumer);
    source.claim(config.consumer, head_now->epoch);
    source.let_go(config.consumer, head_now->epoch);
}

std::vector<FlagValue> more_flags(const InitFlags& flags) {
    std::vector<FlagValue> more;
    if (!flags.source.empty()) more.push_back({"init", "source", flags.source});
    if (!flags.tables.empty()) more.push_back({"--tables", "capture.tables", flags.tables});
    return more;
}

void print_summary(const Context& context, const Config& config, postgres::Connection& source, const capture::Choice& choice,
                   const capture::AttachReport& report, bool wrote_file) {
    const lake::LakeOptions lake = lake_options(config);
    if (context.json) {
        nlohmann::ordered_json json{{"database", source.database()},    {"tables", choice.tables.size()},
                                    {"attached", report.attached},      {"detached", report.detached},
                                    {"unattached", report.unattached},  {"data_path", lake.data_path},
                                    {"config_written", wrote_file}};
        print(json.dump(2) + "\n");
        return;
    }
    print(fmt::format("capture  database {}, PostgreSQL {}.{}, {} change log\n", source.database(), source.server_version() / 10000,
                      source.server_version() % 10000, config.capture.durability == Durability::unlogged ? "unlogged" : "logged"));
    print(fmt::format("tables   {} captured, {} of them attached now\n", choice.tables.size(), report.attached.size()));
    for (const auto& label : report.detached) print(fmt::format("         detached {}\n", label));
    print(fmt::format("lake     data in {}, catalog in {}\n", lake.data_path,
                      lake.catalog == lake::CatalogKind::postgres ? "schema " + lake.catalog_schema + " of " + redact(lake.location) : lake.location));
    if (wrote_file) print(fmt::format("config   {} written\n", context.config_path().string()));
    print("next     eider sync\n");
}

// Paths of flags are relative to this folder, those of the file to the file's: as given where both are the same.
NewConfig to_be_written(const Context& context, const Config& config, const InitFlags& flags) {
    NewConfig values{.source = flags.source, .catalog = context.catalog, .data_path = context.data_path, .tables = {}};
    if (context.config_path().has_parent_path()) {
        const auto& catalog = config.lake.catalog;
        if (catalog.kind == CatalogKind::sqlite) values.catalog = "sqlite:" + catalog.location;
        if (catalog.kind == CatalogKind::duckdb) values.catalog = "duckdb:" + catalog.location;
        if (!values.data_path.empty()) values.data_path = config.lake.data_path;
    }
    if (flags.tables.empty()) return values;
    for (const auto& pattern : config.capture.tables) values.tables.push_back(pattern.text());
    return values;
}

int run_init(const Context& context, const InitFlags& flags) {
    const Config config = context.load_config(more_flags(flags), !flags.source.empty());
    capture::PostgresSourceOptions options = source_options(config);

    // What can be refused is refused first.
    postgres::Connection connection(config.required_source());
    capture::check_server(connection);
    const capture::Choice choice = capture::choose_tables(connection, config);
    for (const auto& warning : choice.warnings) spdlog::warn("{}", warning);
    const lake::LakeOptions lake_at = lake_options(config);
    crash_point("init.before_lake");
    create_catalog_schema(lake_at);
    lake::DuckLake lake(lake_at, lake::Access::create);
    crash_point("init.lake_made");

    capture::install(connection, config);
    for (const auto& notice : connection.take_notices()) spdlog::info("{}", notice);
    const capture::AttachReport report = capture::attach_tables(connection, config, choice, flags.new_columns);
    crash_point("init.attached");
    capture::PostgresSource source(options);
    start_consumer(lake, source, config, flags.adopt);
    crash_point("init.started");

    const bool wrote_file =
        !flags.source.empty() && write_config_file(context.config_path(), to_be_written(context, config, flags));
    print_summary(context, config, connection, choice, report, wrote_file);
    if (report.unattached.empty()) return 0;
    throw Error(ErrorKind::source_busy, "not captured yet: " + join(report.unattached, "; "),
                "a transaction held these tables: run eider init again, or let the next sync attach them");
}

}  // namespace

void add_init(CLI::App& app, Context& context) {
    CLI::App* command = add_command(app, "init", "Install capture on a database and create its lake",
                                    "eider init postgresql://localhost/shop\n  eider init postgresql://localhost/shop --tables 'shop.*,crm.customers'");
    auto flags = std::make_shared<InitFlags>();
    command->add_option("URI", flags->source, "Connection string of the source; also written to eider.toml, if there is none yet");
    command->add_option("--tables", flags->tables, "Patterns of the tables to capture, separated by commas")->type_name("PATTERNS");
    command->add_flag("--adopt", flags->adopt, "Go on with a lake, or a source, that has another past; what lies between is a gap");
    command->add_flag("--new-columns", flags->new_columns, "Also record columns that were added to tables with exclude or hash");
    on_run(command, context, [&context, flags] { return run_init(context, *flags); });
}

}  // namespace eider::cli
