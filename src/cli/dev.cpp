// `eider dev`: a PostgreSQL of one's own, for development and CI.
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "dev/background.h"
#include "dev/run.h"

namespace eider::cli {
namespace {

namespace fs = std::filesystem;

struct ServerFlags {
    std::string bin_folder;
    std::vector<std::string> settings;
};

std::shared_ptr<ServerFlags> add_server_flags(CLI::App* command) {
    auto flags = std::make_shared<ServerFlags>();
    command
        ->add_option("--pg-bin", flags->bin_folder,
                     "Folder of initdb and postgres (default: EIDER_PG_BIN, PATH, Debian's)")
        ->type_name("DIR");
    command
        ->add_option("--set", flags->settings,
                     "A setting of postgresql.conf, for example wal_level=logical; may be repeated")
        ->type_name("NAME=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    return flags;
}

dev::ServerOptions options_of(const ServerFlags& flags) {
    dev::ServerOptions options;
    options.bin_folder = flags.bin_folder;
    for (const auto& setting : flags.settings) {
        const std::size_t equals = setting.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw Error(ErrorKind::config, fmt::format("--set {} is not NAME=VALUE", setting),
                        "for example --set wal_level=logical");
        }
        options.settings[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
    return options;
}

nlohmann::ordered_json as_object(const dev::Background& server) {
    return {{"running", true},
            {"connection_string", server.address.uri()},
            {"pid", server.pid},
            {"port", server.address.port},
            {"socket_folder", server.address.socket_folder.string()},
            {"log", (server.address.socket_folder / "log").string()},
            {"version", server.version},
            {"environment", dev::variables(server.address, server.data_path)}};
}

std::string export_lines(const dev::Background& server) {
    std::string out;
    for (const auto& [name, value] : dev::variables(server.address, server.data_path))
        out += fmt::format("export {}='{}'\n", name, value);
    return out;
}

int up(const Context& context, const ServerFlags& flags) {
    const auto [server, was_there] = dev::start_background(fs::current_path(), options_of(flags));
    if (context.json) {
        auto object = as_object(server);
        object["was_there"] = was_there;
        print(object.dump(2) + "\n");
        return 0;
    }
    // Comments, so that `eval "$(eider dev up)"` works.
    print(fmt::format("# {} on port {}{}\n# {}\n{}", server.version, server.address.port,
                      was_there ? ", already running" : "", server.address.uri(), export_lines(server)));
    return 0;
}

int down(const Context& context) {
    const bool stopped = dev::stop_background(fs::current_path());
    if (context.json) print(fmt::format("{{\"stopped\": {}}}\n", stopped));
    else print(stopped ? "stopped, and all its data removed\n" : "no server of this folder was running\n");
    return 0;
}

// As `pg_ctl status` and systemd do: 3 for a server that does not run.
constexpr int exit_not_running = 3;

int status(const Context& context) {
    const auto server = dev::find_background(fs::current_path());
    if (context.json) {
        print((server ? as_object(*server) : nlohmann::ordered_json{{"running", false}}).dump(2) + "\n");
    } else if (server) {
        print(fmt::format("running: {}, pid {}\n{}\nlog: {}\n", server->version, server->pid, server->address.uri(),
                          (server->address.socket_folder / "log").string()));
    } else {
        print("not running; `eider dev up` starts a server for this folder\n");
    }
    return server ? 0 : exit_not_running;
}

void add_up(CLI::App& dev, Context& context) {
    CLI::App* command = add_command(dev, "up", "Start a throwaway PostgreSQL for this folder, in the background",
                                    "eider dev up\neval \"$(eider dev up)\" && psql \"$DATABASE_URL\"");
    const auto flags = add_server_flags(command);
    on_run(command, context, [&context, flags] { return up(context, *flags); });
}

void add_run(CLI::App& dev, Context& context) {
    CLI::App* command =
        add_command(dev, "run", "Run a command with a throwaway PostgreSQL and an empty lake",
                    "eider dev run -- python -m pytest\neider dev run -- sh -c 'psql \"$DATABASE_URL\"'");
    const auto flags = add_server_flags(command);
    const auto words = std::make_shared<std::vector<std::string>>();
    command->add_option("COMMAND", *words, "The command; it finds DATABASE_URL and EIDER_* in its environment");
    on_run(command, context, [&context, flags, words] {
        words->insert(words->end(), context.command_line.begin(), context.command_line.end());
        if (words->empty()) {
            throw Error(ErrorKind::config, "eider dev run needs a command",
                        "for example: eider dev run -- python -m pytest");
        }
        return dev::run_with_server(*words, options_of(*flags));
    });
}

}  // namespace

void add_dev(CLI::App& app, Context& context) {
    CLI::App* dev =
        add_command(app, "dev", "A throwaway PostgreSQL, for development and CI", "eider dev run -- python -m pytest");
    dev->require_subcommand(1);
    add_up(*dev, context);
    add_run(*dev, context);
    on_run(add_command(*dev, "status", "Show the server of this folder", "eider dev status --json"), context,
           [&context] { return status(context); });
    on_run(add_command(*dev, "down", "End the server of this folder and remove its data", "eider dev down"), context,
           [&context] { return down(context); });
}

}  // namespace eider::cli
