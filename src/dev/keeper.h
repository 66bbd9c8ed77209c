// The process between eider and a throwaway server: it ends the server and removes its folder when eider dies,
// whatever eider dies of, kill -9 included.
//
//   eider ──socket──► keeper ──► postgres
//
// The end of the socket (eider gone) means: end the server at once and remove the folders. A byte in it is a signal
// for the postmaster; the keeper is its parent, so the pid cannot be another process's by then. The server's processes
// all hold a pipe to the keeper: its end means that every one of them is gone, not just the postmaster.
//
// Guarantees: signals of the terminal reach neither keeper nor server. Should the keeper itself be killed, the kernel
// ends the postmaster.
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "dev/binaries.h"

namespace eider::dev {

class Keeper {
public:
    struct Plan {
        std::vector<std::string> argv;  // argv[0] is an absolute path
        RunAs as;
        std::filesystem::path log;
        std::vector<std::filesystem::path> remove;  // when eider dies
    };

    // Throws Error(disk) if no process can be made.
    explicit Keeper(const Plan& plan);
    // Ends the server (SIGQUIT) and waits for it. The folders stay.
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    pid_t postmaster() const { return postmaster_; }
    pid_t pid() const { return keeper_; }

    // Whether any process of the server is still there.
    bool is_running();

    // Sends a signal to the postmaster.
    void signal(int number);

    // Waits until all processes of the server are gone; false if they are not in time.
    bool wait(int seconds);

private:
    pid_t keeper_ = 0;
    pid_t postmaster_ = 0;
    int watch_ = -1;  // the socket whose closing tells that eider is gone
};

}  // namespace eider::dev
