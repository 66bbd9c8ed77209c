// `eider version`: what this program is made of.
#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "lake/engine.h"

namespace eider::cli {
namespace {

constexpr std::array extensions{"ducklake", "postgres_scanner", "sqlite_scanner", "httpfs"};

// The version of an extension, or nullopt if it cannot be loaded.
std::optional<std::string> extension_version(const std::string& name, const Config& config) {
    try {
        lake::EngineOptions options;
        options.extension_directory = config.engine.extension_directory;
        lake::Engine engine(options, {name});
        const lake::Rows rows = engine.connect().query(
            fmt::format("SELECT extension_version FROM duckdb_extensions() WHERE extension_name = '{}'", name));
        return rows.empty() ? std::nullopt : rows.rows[0][0];
    } catch (const Error&) {
        return {};
    }
}

int print_version(const Context& context) {
    const Config config = context.load_config();
    Table parts{{{"part"}, {"version"}}, {}};
    const std::string commit = EIDER_COMMIT;
    parts.rows.push_back({"eider", commit.empty() ? EIDER_VERSION : EIDER_VERSION " (" EIDER_COMMIT ")"});
    parts.rows.push_back({"DuckDB library", lake::library_version()});
    for (const char* name : extensions) {
        parts.rows.push_back(
            {fmt::format("extension {}", name), extension_version(name, config).value_or("not found")});
    }
    if (!context.json) {
        print(as_aligned_text(parts, stdout_style()));
        return 0;
    }
    nlohmann::ordered_json object{{"eider", EIDER_VERSION}, {"commit", commit}, {"duckdb", lake::library_version()}};
    for (const char* name : extensions) {
        const auto version = extension_version(name, config);
        object["extensions"][name] = version ? nlohmann::ordered_json(*version) : nlohmann::ordered_json();
    }
    print(object.dump(2) + "\n");
    return 0;
}

}  // namespace

void add_version(CLI::App& app, Context& context) {
    CLI::App* command =
        add_command(app, "version", "Show the versions of eider, DuckDB and its extensions", "eider version --json");
    on_run(command, context, [&context] { return print_version(context); });
}

}  // namespace eider::cli
