// What starting a server takes, whether a keeper watches over it or it stays in the background.
// Threads: free functions, nothing shared.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "dev/binaries.h"
#include "dev/cluster.h"

namespace eider::dev {

// A TCP port of 127.0.0.1 that is free now; another process may take it before it is used. Throws Error(disk).
int free_port();

// The command line of a server: `postgres -D data` with eider's settings for throwaway use and `settings` over them.
std::vector<std::string> server_command(const Binaries& binaries, const std::filesystem::path& data,
                                        const std::filesystem::path& socket_folder, int port,
                                        const std::map<std::string, std::string>& settings);

// Waits until the server of `data`, whose postmaster is `pid`, takes connections. False if `is_running` says no before.
// Throws Error(source_unavailable) after a minute.
bool wait_until_ready(const std::filesystem::path& data, pid_t pid, const std::function<bool()>& is_running);

// Makes a cluster in `folder` and calls `run`, which starts a server on it with its log in `folder`/log and tells
// whether it became ready. Again with another port where another process took the first, and once with a new initdb
// where the cached cluster may be damaged. Throws Error(source_unavailable) with the end of the log.
Cluster run_somehow(const Binaries& binaries, const RunAs& as, const std::filesystem::path& folder,
                    const std::function<bool(const Cluster&)>& run);

// The pid and the port that the server of a data folder wrote down; 0 if there are none.
struct Noted {
    pid_t pid = 0;
    int port = 0;
    bool ready = false;
};
Noted read_pid_file(const std::filesystem::path& data);

// The last lines of a server's log, for the message of an error.
std::string end_of_log(const std::filesystem::path& log);

}  // namespace eider::dev
