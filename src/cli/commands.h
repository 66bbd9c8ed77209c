// All commands, in the order of `eider --help`.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace eider::cli {

void add_dev(CLI::App& app, Context& context);
void add_version(CLI::App& app, Context& context);

inline void add_commands(CLI::App& app, Context& context) {
    add_dev(app, context);
    add_version(app, context);
}

}  // namespace eider::cli
