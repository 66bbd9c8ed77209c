// The whole program: parse the command line, run the command, report an error in one place.
//
// Guarantees: an exit code as base/error.h says; an error on stderr as `error: ...` and `hint: ...`, or with --json as
// an object on stdout.
#pragma once

namespace eider::cli {

int run(int argc, char** argv);

}  // namespace eider::cli
