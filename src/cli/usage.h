// What is wrong with a command line, with the word that was probably meant.
// Threads: the main thread.
#pragma once

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace eider::cli {

// The error for a command line that `app` refused.
Error usage_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace eider::cli
