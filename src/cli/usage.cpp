#include "cli/usage.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace eider::cli {
namespace {

// The command that was parsed last: `eider dev` of `eider dev upp`.
const CLI::App* chosen(const CLI::App* app) {
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return app;
}

std::string full_name(const CLI::App* app) {
    const std::string& name = app->get_name();
    return app->get_parent() == nullptr ? name : fmt::format("{} {}", full_name(app->get_parent()), name);
}

std::vector<std::string> command_names(const CLI::App* app) {
    std::vector<std::string> names;
    for (const auto* command : app->get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(command->get_name());
    return names;
}

// The long flags of a command and of those above it.
std::vector<std::string> flag_names(const CLI::App* app) {
    std::vector<std::string> names;
    for (; app != nullptr; app = app->get_parent()) {
        for (const auto* option : app->get_options()) {
            for (const auto& name : option->get_lnames()) names.push_back("--" + name);
        }
    }
    return names;
}

std::string help_hint(const CLI::App* app) {
    return fmt::format("{} --help", full_name(app));
}

// Whether it runs another program, whose flags must stand behind `--`.
bool takes_a_command(const CLI::App* app) {
    for (const auto* option : app->get_options()) {
        if (option->get_positional() && option->get_items_expected_max() > 1) return true;
    }
    return false;
}

Error unknown_word(const CLI::App* app, const std::string& word) {
    const bool is_flag = word.starts_with("-");
    const std::string name = is_flag ? word.substr(0, word.find('=')) : word;
    const auto candidates = is_flag ? flag_names(app) : command_names(app);
    const std::string near = closest(name, candidates);
    const std::string what = is_flag ? "flag" : command_names(app).empty() ? "argument" : "command";
    if (is_flag && near.empty() && takes_a_command(app)) {
        return Error(ErrorKind::config, fmt::format("{} has no flag '{}'", full_name(app), name),
                     fmt::format("if it is one of the command, put -- before the command: {} -- ...", full_name(app)));
    }
    return Error(ErrorKind::config, redact(fmt::format("{} has no {} '{}'", full_name(app), what, name)),
                 near.empty() ? help_hint(app) : fmt::format("did you mean '{}'?", near));
}

}  // namespace

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
    const CLI::App* command = chosen(&app);
    for (const auto& word : app.remaining(true)) {
        if (word != "--") return unknown_word(command, word);
    }
    if (!command_names(command).empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
        return Error(ErrorKind::config,
                     fmt::format("{} needs a command: {}", full_name(command), join(command_names(command), ", ")),
                     help_hint(command));
    }
    return Error(ErrorKind::config, redact(fmt::format("{}: {}", full_name(command), error.what())),
                 help_hint(command));
}

}  // namespace eider::cli
