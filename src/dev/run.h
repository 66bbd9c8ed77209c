// `eider dev run -- COMMAND`: a command with a PostgreSQL and a lake of its own.
//
// Guarantees: when this returns, or this process dies, the server and its folders are gone. A signal to this process is
// passed on to the command and all that it started; what does not end of it is killed. What a key of
// the terminal sends reaches the command anyhow and is left to it.
// Threads: to be called from the main thread of a process with no other: it waits for signals.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dev/server.h"

namespace eider::dev {

// What the command finds in its environment, over what is there: DATABASE_URL and EIDER_SOURCE (the server),
// EIDER_CATALOG and EIDER_DATA_PATH (an empty lake), so that it cannot reach any other database by accident.
std::map<std::string, std::string> variables(const Address& address, const std::string& data_path);

// Runs `command` (looked for on PATH) with this process's stdin, stdout and stderr. Returns its exit code; 128 + n for
// a command that signal n ended; 127 for one that is not there. Throws as Server::start does.
int run_with_server(const std::vector<std::string>& command, const ServerOptions& options);

}  // namespace eider::dev
