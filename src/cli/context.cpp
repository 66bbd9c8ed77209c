#include "cli/context.h"

#include <cstdlib>
#include <utility>

#include <spdlog/spdlog.h>

#include "cli/stop_signals.h"

namespace eider::cli {

Context::Context() = default;
Context::~Context() = default;

std::filesystem::path Context::config_path() const {
    if (!config_file.empty()) return config_file;
    const char* named = std::getenv("EIDER_CONFIG");
    return named != nullptr && *named != '\0' ? named : "eider.toml";
}

Config Context::load_config() const {
    return load_config(std::vector<FlagValue>{});
}

Config Context::load_config(std::vector<FlagValue> more, bool may_be_missing) const {
    std::vector<FlagValue> flags;
    if (!source.empty()) flags.push_back({"--source", "source", source});
    if (!catalog.empty()) flags.push_back({"--catalog", "lake.catalog", catalog});
    if (!data_path.empty()) flags.push_back({"--data-path", "lake.data_path", data_path});
    for (auto& flag : more) flags.push_back(std::move(flag));
    const std::filesystem::path file = config_path();
    Config config = eider::load_config(file, file != "eider.toml" && !may_be_missing, eider_environment(), flags);
    for (const auto& warning : config.warnings) spdlog::warn("{}", warning);
    return config;
}

std::stop_token Context::stop() {
    if (!signals_) signals_ = std::make_unique<StopSignals>();
    return signals_->token();
}

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& example) {
    CLI::App* command = parent.add_subcommand(name, description);
    std::string footer = "Example:\n  " + example;
    for (std::size_t at = footer.find('\n', 11); at != std::string::npos; at = footer.find('\n', at + 1)) {
        if (footer.compare(at + 1, 2, "  ") != 0) footer.insert(at + 1, "  ");
    }
    command->footer(footer + "\n\nFlags of every command (--config, --source, --json ...): eider --help");
    return command;
}

void on_run(CLI::App* command, Context& context, std::function<int()> action) {
    command->callback([&context, action = std::move(action)] { context.action = action; });
}

}  // namespace eider::cli
