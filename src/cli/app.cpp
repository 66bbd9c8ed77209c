#include "cli/app.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/usage.h"

namespace eider::cli {
namespace {

void add_global_flags(CLI::App& app, Context& context) {
    app.add_option("--config", context.config_file, "The configuration file (default: eider.toml, or EIDER_CONFIG)")
        ->type_name("FILE");
    app.add_option("--source", context.source, "Connection string of the source database")->type_name("URI");
    app.add_option("--catalog", context.catalog, "Catalog of the lake")->type_name("CATALOG");
    app.add_option("--data-path", context.data_path, "Folder or URL of the lake's data")->type_name("PATH");
    app.add_flag("--json", context.json, "Results and errors as JSON on stdout");
    app.add_flag("-v,--verbose", context.verbose, "Say more on stderr; twice for details");
    app.add_flag("-q,--quiet", context.quiet, "Only errors on stderr");
}

void report(const Error& error, bool json) {
    const auto& about = info(error.kind());
    if (json) {
        nlohmann::ordered_json object;
        object["error"] = {
            {"kind", about.name}, {"message", error.what()}, {"hint", error.hint()}, {"exit_code", about.exit_code}};
        std::puts(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
        return;
    }
    std::fputs(fmt::format("error: {}\n", error.what()).c_str(), stderr);
    if (!error.hint().empty()) std::fputs(fmt::format("hint: {}\n", error.hint()).c_str(), stderr);
}

int fail(const Error& error, bool json) {
    report(error, json);
    return info(error.kind()).exit_code;
}

// The parser may not have come to --json when it failed.
bool wants_json(int argc, char** argv) {
    const auto is = [](std::string_view word) { return [word](const char* argument) { return word == argument; }; };
    char** const end = std::find_if(argv, argv + argc, is("--"));
    return std::any_of(argv, end, is("--json"));
}

// Takes the words behind `--` of a command line that runs another program away from the parser, which would take them
// for its own behind a flag that may be repeated.
std::vector<std::string> take_command_line(std::vector<std::string>& words) {
    const auto dashes = std::find(words.begin(), words.end(), "--");
    if (dashes == words.end() || std::find(words.begin(), dashes, "run") == dashes) return {};
    std::vector<std::string> taken(dashes + 1, words.end());
    words.erase(dashes, words.end());
    return taken;
}

int parse_and_run(CLI::App& app, Context& context, int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    context.command_line = take_command_line(words);
    std::reverse(words.begin(), words.end());  // as CLI11 wants it
    try {
        app.parse(std::move(words));
    } catch (const CLI::Success& wish) {  // --help, --version
        return app.exit(wish);
    } catch (const CLI::ParseError& error) {
        throw usage_error(app, error);
    }
    set_up_log(context.verbose, context.quiet);
    return context.action();
}

}  // namespace

int run(int argc, char** argv) {
    CLI::App app("eider: every change of a PostgreSQL database in a DuckLake, exactly once", "eider");
    Context context;
    app.require_subcommand(1);
    app.fallthrough();
    app.set_version_flag("--version", "eider " EIDER_VERSION);
    app.footer("Example:\n  eider init postgresql://localhost/shop && eider sync --every 1s");
    add_global_flags(app, context);
    add_commands(app, context);
    const bool json = wants_json(argc, argv);
    try {
        return parse_and_run(app, context, argc, argv);
    } catch (const Error& error) {
        return fail(error, json);
    } catch (const std::bad_alloc&) {
        return fail(Error(ErrorKind::internal, "out of memory", "engine.memory_limit bounds DuckDB's share"), json);
    } catch (const std::exception& error) {
        return fail(Error(ErrorKind::internal, redact(error.what()), "this is a bug of eider; please report it"), json);
    }
}

}  // namespace eider::cli
