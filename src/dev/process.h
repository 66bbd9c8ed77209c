// Running programs: to the end, or detached in the background.
//
// Guarantees: between fork and exec only calls that are safe in a process with threads; signals are set back to
// their defaults in the child; no descriptor but 0, 1 and 2 is inherited.
// Threads: free functions, nothing shared.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "dev/binaries.h"

namespace eider::dev {

struct Output {
    int exit_code = 0;  // 128 + n for one that was ended by signal n
    std::string text;   // stdout and stderr together
};

// Runs a program to its end; argv[0] is looked for on PATH. Throws Error(disk) if it cannot be started.
Output run_program(const std::vector<std::string>& argv, const RunAs& as = {});

// Starts a program in a session of its own, with stdout and stderr appended to `log`. Returns its pid; the caller
// may exit before it. Throws Error(disk).
pid_t start_detached(const std::vector<std::string>& argv, const RunAs& as, const std::filesystem::path& log);

// --- For code that forks by itself; safe between fork and exec --------------------------------------------------

// argv as execv wants it; the strings must outlive it.
std::vector<char*> exec_arguments(const std::vector<std::string>& argv);

// Default actions and an empty mask for all signals.
void reset_signals();

// Gives up root for `as`, if it says so. False if that fails.
bool become(const RunAs& as);

// Closes all descriptors from `first` on.
void close_from(int first);

// Puts /dev/null on stdin, and `log` (appended to) on stdout and stderr.
void redirect_to_log(const char* log);

// --- Processes ----------------------------------------------------------------------------------------------------

// The exit code of a wait status, as a shell tells it.
int exit_code_of(int status);

// Whether a process is there and no zombie.
bool is_alive(pid_t pid);

// When a process started, in the kernel's ticks since boot; 0 if it is not there. Tells a process from a later one
// with the same pid.
unsigned long long start_time(pid_t pid);

// All processes below `root`, in no order.
std::vector<pid_t> descendants(pid_t root);

}  // namespace eider::dev
