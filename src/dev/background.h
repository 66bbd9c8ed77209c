// `eider dev up`, `down`, `status`: one throwaway server a folder, which stays until it is told to go.
//
// What is known of it stands in a file of the cache folder, named after the current folder, so that a project gets no
// litter. A pid counts only if the process is the one that was started: same start time.
// Guarantees: `down` ends nothing that `up` did not start. Two `up` at once: the second waits for the first.
// Threads: one at a time; safe between processes.
#pragma once

#include <filesystem>
#include <optional>

#include <sys/types.h>

#include "dev/server.h"

namespace eider::dev {

struct Background {
    Address address;
    pid_t pid = 0;
    unsigned long long started = 0;   // see start_time
    std::filesystem::path folder;     // of the server; gone with it
    std::filesystem::path data_path;  // for a lake, below `folder`
    std::string version;
};

// The server of `project`, if it runs.
std::optional<Background> find_background(const std::filesystem::path& project);

struct Started {
    Background server;
    bool was_there = false;
};

// Starts the server of `project`, or finds it running. Throws as Server::start does.
Started start_background(const std::filesystem::path& project, const ServerOptions& options);

// Ends the server of `project` and removes its folder. False if there was none.
bool stop_background(const std::filesystem::path& project);

}  // namespace eider::dev
