// `eider verify`: whether the mirrors equal their source. `eider resync`: makes them so.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "capture/install.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wiring.h"
#include "sync/batch.h"

namespace eider::cli {
namespace {

// Both sides, for a command that works on the mirrors once.
struct MirrorSides {
    explicit MirrorSides(const Config& config)
        : source(source_options(config)),
          lake(lake_options(config), lake::Access::write),
          mirrors(source, lake, config),
          consumer(source, lake, config.consumer, &mirrors) {
        capture::check_installation(source.connection());
    }

    capture::PostgresSource source;
    lake::DuckLake lake;
    mirror::Mirrors mirrors;
    sync::Consumer consumer;
};

std::vector<TablePattern> patterns_of(const std::vector<std::string>& tables) {
    std::vector<TablePattern> patterns;
    for (const auto& table : tables) patterns.push_back(TablePattern::parse(table, table));
    return patterns;
}

std::string verdict(const mirror::Verification& found) {
    if (found.is_equal()) return "equal";
    if (!found.reason.empty()) return found.reason;
    return fmt::format("{} missing or different, {} too many or different; {}", with_separators(found.missing),
                       with_separators(found.surplus), join(found.keys, "; "));
}

void print_found(const std::vector<mirror::Verification>& all, bool json) {
    if (json) {
        nlohmann::ordered_json tables = nlohmann::ordered_json::array();
        for (const auto& found : all) {
            tables.push_back({{"table", found.table},
                              {"equal", found.is_equal()},
                              {"rows", found.rows},
                              {"mirror_rows", found.mirror_rows},
                              {"missing", found.missing},
                              {"surplus", found.surplus},
                              {"keys", found.keys},
                              {"reason", found.reason}});
        }
        print(tables.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
        return;
    }
    Table table{{{"table"}, {"rows", CellType::number}, {"mirror", CellType::number}, {"verdict"}}, {}};
    for (const auto& found : all) {
        table.rows.push_back(
            {found.table, with_separators(found.rows), with_separators(found.mirror_rows), verdict(found)});
    }
    print(as_aligned_text(table, stdout_style()));
}

int run_verify(const Context& context, const std::vector<std::string>& tables) {
    const Config config = context.load_config();
    MirrorSides sides(config);
    const auto found = sides.consumer.verify(patterns_of(tables));
    if (found.empty())
        throw Error(ErrorKind::config, "there is no such mirror", "eider status shows which tables have one");
    print_found(found, context.json);
    const bool all_equal = std::all_of(found.begin(), found.end(), [](const auto& one) { return one.is_equal(); });
    return all_equal ? 0 : info(ErrorKind::corrupt).exit_code;
}

int run_resync(const Context& context, const std::vector<std::string>& tables) {
    const Config config = context.load_config();
    MirrorSides sides(config);
    const auto labels = sides.mirrors.resync(patterns_of(tables));
    sides.consumer.batch();
    std::vector<std::string> copied;
    std::vector<std::string> unfit;
    const auto states = sides.mirrors.states();
    for (const auto& [name, mirror] : states) {
        const std::string label = name.first + "." + name.second;
        if (std::find(labels.begin(), labels.end(), label) == labels.end()) continue;
        if (mirror.state == "mirrored") copied.push_back(label);
        else unfit.push_back(fmt::format("{} is {}: {}", label, mirror.state, mirror.reason));
    }
    if (context.json) print(nlohmann::ordered_json{{"copied", copied}}.dump() + "\n");
    else if (!copied.empty()) print(fmt::format("copied {}\n", join(copied, ", ")));
    if (!unfit.empty()) {
        throw Error(ErrorKind::unrepresentable, join(unfit, "; "),
                    "change the value, or give the column another type, then: eider resync");
    }
    return 0;
}

}  // namespace

void add_verify(CLI::App& app, Context& context) {
    CLI::App* command = add_command(app, "verify", "Compare the mirrors with their source, row by row, at one snapshot",
                                    "eider verify\n  eider verify 'shop.*'");
    auto tables = std::make_shared<std::vector<std::string>>();
    command->add_option("TABLE", *tables, "Tables or patterns (default: all)");
    on_run(command, context, [&context, tables] { return run_verify(context, *tables); });
}

void add_resync(CLI::App& app, Context& context) {
    CLI::App* command = add_command(app, "resync", "Copy the mirrors of tables anew", "eider resync shop.orders");
    auto tables = std::make_shared<std::vector<std::string>>();
    command->add_option("TABLE", *tables, "Tables or patterns")->required();
    on_run(command, context, [&context, tables] { return run_resync(context, *tables); });
}

}  // namespace eider::cli
