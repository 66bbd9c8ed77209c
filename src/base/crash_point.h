// Named places at which a test lets the process die, as if killed there.
//
// `EIDER_CRASH_AT=name` or `name:n` (the n-th time it is reached) ends the process with `_exit(137)` at that
// point: no destructor, no flush, no rollback. Without the variable a point costs one branch.
#pragma once

#include <string_view>

namespace eider {

// Points in use: `git grep crash_point\(`; the crash tests read that list from the sources, so that a new point
// cannot be forgotten.
void crash_point(std::string_view name);

}  // namespace eider
