// All commands, in the order of `eider --help`.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace eider::cli {

void add_init(CLI::App& app, Context& context);
void add_sync(CLI::App& app, Context& context);
void add_status(CLI::App& app, Context& context);
void add_query(CLI::App& app, Context& context);
void add_attach(CLI::App& app, Context& context);
void add_verify(CLI::App& app, Context& context);
void add_resync(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_sql(CLI::App& app, Context& context);
void add_uninstall(CLI::App& app, Context& context);
void add_demo(CLI::App& app, Context& context);
void add_dev(CLI::App& app, Context& context);
void add_version(CLI::App& app, Context& context);

inline void add_commands(CLI::App& app, Context& context) {
    add_init(app, context);
    add_sync(app, context);
    add_status(app, context);
    add_query(app, context);
    add_attach(app, context);
    add_verify(app, context);
    add_resync(app, context);
    add_doctor(app, context);
    add_sql(app, context);
    add_uninstall(app, context);
    add_demo(app, context);
    add_dev(app, context);
    add_version(app, context);
}

}  // namespace eider::cli
