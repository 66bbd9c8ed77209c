// The log on stderr.
// Threads: set_up_log once, before any other thread; the rest of spdlog from any.
#pragma once

namespace eider::cli {

// The level: -q errors only, nothing warnings, -v info, -vv debug; without a flag what EIDER_LOG says.
// Throws Error(config) for a level that EIDER_LOG cannot mean.
void set_up_log(int verbose, bool quiet);

}  // namespace eider::cli
