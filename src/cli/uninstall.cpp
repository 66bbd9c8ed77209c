// `eider uninstall`: takes capture off the source. The lake stays.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "capture/install.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace eider::cli {
namespace {

bool confirmed_by_user(const std::string& database) {
    if (isatty(STDIN_FILENO) == 0) {
        throw Error(ErrorKind::config,
                    "uninstall takes capture and every change that is not in the lake yet off the source",
                    "say --yes to do that without being asked");
    }
    print(fmt::format("Take capture off database {}? Changes that are not in the lake yet are lost. [y/N] ", database));
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

int run_uninstall(const Context& context, bool yes) {
    const Config config = context.load_config();
    postgres::Connection connection(config.required_source());
    if (!capture::read_installation(connection)) {
        print(context.json ? "{\"uninstalled\":false}\n" : "nothing is installed\n");
        return 0;
    }
    if (!yes && !confirmed_by_user(connection.database())) return 0;
    capture::uninstall(connection, config);
    for (const auto& notice : connection.take_notices()) spdlog::info("{}", notice);
    print(context.json ? "{\"uninstalled\":true}\n"
                       : fmt::format("capture is off database {}; the lake stays\n", connection.database()));
    return 0;
}

}  // namespace

void add_uninstall(CLI::App& app, Context& context) {
    CLI::App* command =
        add_command(app, "uninstall", "Take off the source everything that init put there; the lake stays",
                    "eider uninstall --yes");
    auto yes = std::make_shared<bool>(false);
    command->add_flag("--yes", *yes, "Do not ask");
    on_run(command, context, [&context, yes] { return run_uninstall(context, *yes); });
}

}  // namespace eider::cli
