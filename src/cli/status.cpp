// `eider status`: what is captured, what waits, what the lake holds.
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/snapshot.h"
#include "base/text.h"
#include "capture/health.h"
#include "capture/install.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wiring.h"
#include "mirror/mirrors.h"

namespace eider::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Report {
    std::vector<capture::TableHealth> tables;
    std::vector<capture::SlotHealth> slots;
    std::map<std::pair<std::string, std::string>, lake::LastBatch> last_batches;
    lake::LakeStatus lake;
    std::optional<lake::Head> head;
    std::map<std::pair<std::string, std::string>, mirror::MirrorState> mirrors;
    std::string data_path;
};

Report read_report(const Config& config) {
    capture::PostgresSource source(source_options(config));
    capture::check_installation(source.connection());
    const lake::LakeOptions options = lake_options(config);
    lake::DuckLake lake(options, lake::Access::read);
    Report report;
    report.head = lake.head(config.consumer);
    report.tables =
        capture::table_health(source.connection(), report.head ? report.head->cursor : std::string(empty_cursor));
    report.slots = capture::slot_health(source.connection());
    report.last_batches = lake.last_batches();
    report.lake = lake.status();
    report.mirrors = mirror::Mirrors(source, lake, config).states();
    report.data_path = options.data_path;
    return report;
}

// Everything that a person should look at, in one cell.
std::string remarks_of(const capture::TableHealth& table, const mirror::MirrorState& mirror) {
    std::vector<std::string> remarks = table.problems;
    if (mirror.state == "quarantined") remarks.push_back("its mirror stands still: " + mirror.reason);
    if (mirror.state == "none" && mirror.reason != mirror::switched_off)
        remarks.push_back("no mirror: " + mirror.reason);
    if (!table.left_out.empty()) remarks.push_back("not recorded: " + join(table.left_out, ", "));
    return join(remarks, "; ");
}

mirror::MirrorState mirror_of(const Report& report, const capture::TableHealth& table) {
    const auto found = report.mirrors.find({table.schema, table.name});
    return found == report.mirrors.end() ? mirror::MirrorState{.state = "none", .reason = "it is gone"} : found->second;
}

void print_tables(const Report& report) {
    Table table{{{"table"},
                 {"triggers"},
                 {"pending", CellType::number},
                 {"lag", CellType::number},
                 {"last batch", CellType::number},
                 {"mirror"},
                 {"remarks"}},
                {}};
    for (const auto& t : report.tables) {
        const auto last = report.last_batches.find({t.schema, t.name});
        table.rows.push_back({t.schema + "." + t.name, t.kind, with_separators(t.pending),
                              t.lag_s ? human_seconds(*t.lag_s) : "-",
                              last == report.last_batches.end() ? "-" : std::to_string(last->second.batch),
                              mirror_of(report, t).state, remarks_of(t, mirror_of(report, t))});
    }
    print(as_aligned_text(table, stdout_style()) + "\n");
}

void print_slots(const Report& report) {
    Table table{{{"slot", CellType::number}, {"rows", CellType::number}, {"size", CellType::number}, {"state"}}, {}};
    for (const auto& s : report.slots)
        table.rows.push_back({std::to_string(s.slot), with_separators(s.rows), human_bytes(s.bytes), s.state});
    print(as_aligned_text(table, stdout_style()) + "\n");
}

void print_lake(const Report& report) {
    const auto& lake = report.lake;
    print(fmt::format("lake: {} in {}, last at {}\n", count_of(lake.events, "event"),
                      lake.batches == 1 ? "1 batch" : with_separators(lake.batches) + " batches",
                      report.head && !report.head->committed_at.empty() ? report.head->committed_at : "-"));
    print(fmt::format("      snapshot {}, {} of {} in {}\n", lake.snapshot, count_of(lake.files, "file"),
                      human_bytes(lake.bytes), report.data_path));
}

void print_json(const Report& report) {
    Json json;
    json["tables"] = Json::array();
    for (const auto& t : report.tables) {
        const auto last = report.last_batches.find({t.schema, t.name});
        const bool has_last = last != report.last_batches.end();
        json["tables"].push_back({{"schema", t.schema},
                                  {"table", t.name},
                                  {"triggers", t.kind},
                                  {"pending", t.pending},
                                  {"lag_s", t.lag_s ? Json(*t.lag_s) : Json()},
                                  {"last_batch", has_last ? Json(last->second.batch) : Json()},
                                  {"last_batch_at", has_last ? Json(last->second.at) : Json()},
                                  {"mirror", mirror_of(report, t).state},
                                  {"mirror_reason", mirror_of(report, t).reason},
                                  {"problems", t.problems},
                                  {"columns_left_out", t.left_out}});
    }
    json["slots"] = Json::array();
    for (const auto& s : report.slots) {
        json["slots"].push_back({{"slot", s.slot}, {"rows", s.rows}, {"bytes", s.bytes}, {"state", s.state}});
    }
    json["lake"] = {{"snapshot", report.lake.snapshot},
                    {"snapshots", report.lake.snapshots},
                    {"files", report.lake.files},
                    {"bytes", report.lake.bytes},
                    {"events", report.lake.events},
                    {"batches", report.lake.batches},
                    {"last_batch_at", report.head ? Json(report.head->committed_at) : Json()},
                    {"data_path", report.data_path}};
    print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

int run_status(const Context& context) {
    const Report report = read_report(context.load_config());
    if (context.json) {
        print_json(report);
        return 0;
    }
    print_tables(report);
    print_slots(report);
    print_lake(report);
    return 0;
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
    CLI::App* command = add_command(
        app, "status", "Show what is captured, what waits to be moved and what the lake holds", "eider status --json");
    on_run(command, context, [&context] { return run_status(context); });
}

}  // namespace eider::cli
