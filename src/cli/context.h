// What all commands share: the global flags, the configuration, the wish to stop.
//
// To add a command: write cli/NAME.cpp with `void add_NAME(CLI::App&, Context&)` after the pattern of version.cpp, and
// name it in commands.h.
// Threads: the main thread; the token of stop() may be used from any.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "config/config.h"

namespace eider::cli {

class StopSignals;

class Context {
public:
    Context();
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    // The global flags, filled in by the parser.
    bool json = false;
    int verbose = 0;
    bool quiet = false;
    std::string config_file;
    std::string source;
    std::string catalog;
    std::string data_path;

    // Of `eider dev run -- COMMAND`: the words behind the dashes, which the parser does not see.
    std::vector<std::string> command_line;

    // What the chosen command does; returns the exit code. Set by `on_run`.
    std::function<int()> action;

    // The file that --config or EIDER_CONFIG names, else eider.toml in this folder.
    std::filesystem::path config_path() const;

    // Flags over environment over file. Warnings go to the log. Throws Error(config).
    Config load_config() const;

    // The same with more flags of the command: {"--tables", "capture.tables", "shop.*"}. A file that --config names may
    // be missing where the command writes one.
    Config load_config(std::vector<FlagValue> more, bool may_be_missing = false) const;

    // From the first call on SIGINT and SIGTERM ask for a stop instead of ending the process; a second one ends it.
    std::stop_token stop();

private:
    std::unique_ptr<StopSignals> signals_;
};

// A new subcommand whose --help ends with `example`, one or several command lines.
CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& example);

// What happens when the command line chose `command`. It runs after parsing, so that it may throw Error.
void on_run(CLI::App* command, Context& context, std::function<int()> action);

}  // namespace eider::cli
