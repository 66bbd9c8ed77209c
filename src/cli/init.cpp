// `eider init`: capture on the source, a lake, and the file that says where both are.
#include <memory>
#include <optional>
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

// What a lake and a source know of each other.
struct Acquaintance {
    std::optional<lake::Head> head;               // no value: this lake does not know the consumer
    std::optional<SourceIdentity> source;         // no value: nothing is installed, or only a copy of it
    std::optional<capture::Confirmed> confirmed;  // no value: the source does not know the consumer

    // The lake's cursor means something only to the installation that it is of, whatever its database is called now.
    bool is_same_installation() const {
        return head && source && head->source.system_identifier == source->system_identifier &&
               head->source.installation == source->installation;
    }
    bool is_behind() const {
        return head && confirmed && confirmed->is_beyond(head->batch, Snapshot::parse(head->cursor));
    }
    bool fits() const { return head && source && head->source == *source && !is_behind(); }
};

void check_time(const Acquaintance& known, capture::PostgresSource& source) {
    if (!known.is_same_installation() || Snapshot::parse(known.head->cursor).xmax <= source.next_xid()) return;
    throw Error(ErrorKind::source_changed,
                "the source was set back in time: which of its changes this lake has cannot be told any more",
                "give it a lake of its own: another catalog_schema and data_path, and a consumer name");
}

// Throws unless lake and source have been filled from each other so far, or do not know each other.
void check_acquaintance(const Acquaintance& known, const Config& config, const std::string& database) {
    if (known.confirmed && !known.head) {
        throw Error(ErrorKind::source_changed,
                    fmt::format("consumer '{}' of this source has another lake, filled up to batch {}", config.consumer,
                                known.confirmed->batch),
                    "use that lake; or give this one a name of its own (consumer = \"...\"); or leave the other "
                    "behind, and with "
                    "it what was released: eider init --adopt");
    }
    if (known.head && !(known.source && known.head->source == *known.source)) {
        const SourceIdentity& filled_from = known.head->source;
        throw Error(
            ErrorKind::source_changed,
            fmt::format(
                "this lake was filled from installation {} in database '{}' of cluster {}, the source is now {}",
                filled_from.installation, filled_from.database, filled_from.system_identifier,
                known.source ? fmt::format("{} in '{}' of cluster {}", known.source->installation,
                                           known.source->database, known.source->system_identifier)
                             : fmt::format("database '{}' without an installation of its own", database)),
            "give the new source a lake of its own (catalog_schema and data_path); or, if it is the same data, go on "
            "with a gap: eider init --adopt");
    }
    if (known.is_behind()) {
        throw Error(ErrorKind::source_changed,
                    fmt::format("the source has confirmed batch {} of consumer '{}', this lake has {}: it is "
                                "another lake, or an older copy",
                                known.confirmed->batch, config.consumer, known.head->batch),
                    "use the lake that has them; or go on without what was released since: eider init --adopt");
    }
}

// The same before anything is made: reads both sides as they are.
void check_sides(const Config& config, const lake::LakeOptions& lake_at, capture::PostgresSource& source, bool adopt) {
    Acquaintance known;
    try {
        known.head = lake::DuckLake(lake_at, lake::Access::read).head(config.consumer);
    } catch (const Error& error) {
        // No lake there, or a half-made one.
        if (error.kind() != ErrorKind::lake_unavailable && error.kind() != ErrorKind::lake_rejected) throw;
    }
    if (capture::is_installed_here(source.connection())) {
        known.source = source.identity();
        known.confirmed = source.confirmed(config.consumer);
    }
    check_time(known, source);
    if (!adopt) check_acquaintance(known, config, source.connection().database());
}

// Makes this lake the one that the source's consumer fills.
void start_consumer(lake::DuckLake& lake, capture::PostgresSource& source, const Config& config, bool adopt) {
    const Acquaintance known{.head = lake.head(config.consumer),
                             .source = source.identity(),
                             .confirmed = source.confirmed(config.consumer)};
    check_time(known, source);
    if (!adopt) check_acquaintance(known, config, source.connection().database());
    if (!known.fits()) {
        // To another installation than the lake's everything that lies in the slots is new.
        const std::string cursor = known.is_same_installation() ? known.head->cursor : std::string(empty_cursor);
        lake.start(config.consumer, random_uuid(), cursor, *known.source);
        crash_point("init.adopted");
        source.connection().query("SELECT audit.forget($1)", {config.consumer});
    }
    // From now on slots wait for this consumer. One that is known may be at work now: it is not ours to let go of.
    if (source.confirmed(config.consumer)) return;
    const auto head = lake.head(config.consumer);
    source.claim(config.consumer, head->epoch);
    source.let_go(config.consumer, head->epoch);
}

std::vector<FlagValue> more_flags(const InitFlags& flags) {
    std::vector<FlagValue> more;
    if (!flags.source.empty()) more.push_back({"init", "source", flags.source});
    if (!flags.tables.empty()) more.push_back({"--tables", "capture.tables", flags.tables});
    return more;
}

void print_summary(const Context& context, const Config& config, postgres::Connection& source,
                   const capture::Choice& choice, const capture::AttachReport& report, bool wrote_file) {
    const lake::LakeOptions lake = lake_options(config);
    if (context.json) {
        nlohmann::ordered_json json{{"database", source.database()},   {"tables", choice.tables.size()},
                                    {"attached", report.attached},     {"detached", report.detached},
                                    {"unattached", report.unattached}, {"data_path", lake.data_path},
                                    {"config_written", wrote_file}};
        print(json.dump(2) + "\n");
        return;
    }
    print(fmt::format("capture  database {}, PostgreSQL {}.{}, {} change log\n", source.database(),
                      source.server_version() / 10000, source.server_version() % 10000,
                      config.capture.durability == Durability::unlogged ? "unlogged" : "logged"));
    print(fmt::format("tables   {} captured, {} of them attached now\n", choice.tables.size(), report.attached.size()));
    for (const auto& label : report.detached) print(fmt::format("         detached {}\n", label));
    print(fmt::format("lake     data in {}, catalog in {}\n", lake.data_path,
                      lake.catalog == lake::CatalogKind::postgres
                          ? "schema " + lake.catalog_schema + " of " + redact(lake.location)
                          : lake.location));
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
    capture::PostgresSource source(options);
    check_sides(config, lake_at, source, flags.adopt);
    crash_point("init.before_lake");
    create_catalog_schema(lake_at);
    lake::DuckLake lake(lake_at, lake::Access::create);
    crash_point("init.lake_made");

    capture::install(connection, config);
    for (const auto& notice : connection.take_notices()) spdlog::info("{}", notice);
    const capture::AttachReport report = capture::attach_tables(connection, config, choice, flags.new_columns);
    crash_point("init.attached");
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
                                    "eider init postgresql://localhost/shop\n  eider init postgresql://localhost/shop "
                                    "--tables 'shop.*,crm.customers'");
    auto flags = std::make_shared<InitFlags>();
    command->add_option("URI", flags->source,
                        "Connection string of the source; also written to eider.toml, if there is none yet");
    command->add_option("--tables", flags->tables, "Patterns of the tables to capture, separated by commas")
        ->type_name("PATTERNS");
    command->add_flag("--adopt", flags->adopt,
                      "Go on with a lake, or a source, that has another past; what lies between is a gap");
    command->add_flag("--new-columns", flags->new_columns,
                      "Also record columns that were added to tables with exclude or hash");
    on_run(command, context, [&context, flags] { return run_init(context, *flags); });
}

}  // namespace eider::cli
