#include "cli/log.h"

#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/text.h"

namespace eider::cli {
namespace {

spdlog::level::level_enum level_named(const std::string& name) {
    if (name == "debug") return spdlog::level::debug;
    if (name == "info") return spdlog::level::info;
    if (name == "warn") return spdlog::level::warn;
    if (name == "error") return spdlog::level::err;
    const std::string near = closest(name, {"debug", "info", "warn", "error"});
    throw Error(ErrorKind::config, "EIDER_LOG must be error, warn, info or debug",
                near.empty() ? std::string() : fmt::format("did you mean {}?", near));
}

spdlog::level::level_enum wanted_level(int verbose, bool quiet) {
    if (quiet) return spdlog::level::err;
    if (verbose > 1) return spdlog::level::debug;
    if (verbose == 1) return spdlog::level::info;
    const char* named = std::getenv("EIDER_LOG");
    return named != nullptr && *named != '\0' ? level_named(named) : spdlog::level::warn;
}

}  // namespace

void set_up_log(int verbose, bool quiet) {
    const char* no_color = std::getenv("NO_COLOR");
    const bool color = no_color == nullptr || *no_color == '\0';
    spdlog::drop("eider");
    auto log = spdlog::stderr_color_mt("eider", color ? spdlog::color_mode::automatic : spdlog::color_mode::never);
    log->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$: %v");
    spdlog::set_default_logger(log);
    spdlog::set_level(wanted_level(verbose, quiet));
}

}  // namespace eider::cli
