// Named places at which a test lets the process die, as if killed there, or stand still.
//
// `EIDER_CRASH_AT=name` or `name:n` (the n-th time it is reached) ends the process with `_exit(137)` at that
// point: no destructor, no flush, no rollback. `EIDER_PAUSE_AT=name` or `name:n` makes the file
// `EIDER_PAUSE_IN`/reached and waits there until the file `EIDER_PAUSE_IN`/go appears: so a test puts another process
// between two steps of this one. Without the variables a point costs one branch.
// Threads: any.
#pragma once

#include <string_view>

namespace eider {

// Points in use: `git grep crash_point\(`; the crash tests read that list from the sources, so that a new point
// cannot be forgotten.
void crash_point(std::string_view name);

}  // namespace eider
