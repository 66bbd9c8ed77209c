#include "dev/keeper.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "dev/process.h"

namespace eider::dev {
namespace {

using namespace std::chrono_literals;

constexpr int patience_ms = 5'000;

// Everything the keeper needs, prepared before the fork: after it nothing may allocate.
struct Prepared {
    char* const* server_argv;
    char* const* remove_argv;
    const RunAs* as;
    const char* log;
    int watch;   // reads what eider says
    int status;  // says the postmaster's pid
};

[[noreturn]] void exec_server(const Prepared& plan, pid_t keeper, int alive) {
    reset_signals();
    if (!become(*plan.as)) ::_exit(127);
    // After setuid, which clears it.
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (::getppid() != keeper) ::_exit(127);
    ::dup2(alive, 3);
    close_from(4);
    ::execv(plan.server_argv[0], plan.server_argv);
    ::_exit(127);
}

// Whether the pipe of the server's processes has ended within `timeout_ms`.
bool gone_within(int alive, int timeout_ms) {
    pollfd descriptor{alive, POLLIN, 0};
    return ::poll(&descriptor, 1, timeout_ms) > 0;
}

[[noreturn]] void end_everything(const Prepared& plan, pid_t server, int alive) {
    ::kill(server, SIGQUIT);
    if (!gone_within(alive, patience_ms)) {
        ::kill(server, SIGKILL);
        gone_within(alive, patience_ms);
    }
    ::execv(plan.remove_argv[0], plan.remove_argv);
    ::_exit(127);
}

[[noreturn]] void keep(const Prepared& plan, pid_t server, int alive) {
    while (true) {
        pollfd both[2] = {{plan.watch, POLLIN, 0}, {alive, POLLIN, 0}};
        if (::poll(both, 2, -1) < 0) continue;
        if (both[1].revents != 0) {
            ::waitpid(server, nullptr, 0);
            ::_exit(0);
        }
        if (both[0].revents != 0) {
            char number = 0;
            const ssize_t got = ::read(plan.watch, &number, 1);
            if (got == 0) end_everything(plan, server, alive);
            if (got == 1) ::kill(server, number);
        }
    }
}

[[noreturn]] void run_keeper(Prepared plan) {
    ::setsid();
    reset_signals();
    // Only eider's death and the server's end this process.
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
    redirect_to_log(plan.log);
    ::dup2(plan.watch, 3);
    ::dup2(plan.status, 4);
    plan.watch = 3;
    plan.status = 4;
    close_from(5);
    int alive[2];
    if (::pipe(alive) != 0) ::_exit(127);
    const pid_t keeper = ::getpid();
    const pid_t server = ::fork();
    if (server == 0) exec_server(plan, keeper, alive[1]);
    ::close(alive[1]);
    if (server < 0 || ::write(plan.status, &server, sizeof server) != sizeof server) ::_exit(127);
    ::close(plan.status);
    keep(plan, server, alive[0]);
}

// Two connected sockets, above the descriptors that run_keeper moves its ends to. Sockets and not a pipe: a write
// must not raise SIGPIPE.
void connect_pair(int (&ends)[2]) {
    int low[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, low) != 0) {
        throw Error(ErrorKind::disk, fmt::format("no sockets: {}", std::strerror(errno)));
    }
    for (int i = 0; i < 2; ++i) {
        ends[i] = ::fcntl(low[i], F_DUPFD_CLOEXEC, 10);
        ::close(low[i]);
    }
}

std::vector<std::string> removal(const std::vector<std::filesystem::path>& folders) {
    std::vector<std::string> argv{"/bin/rm", "-rf", "--"};
    for (const auto& folder : folders) argv.push_back(folder.string());
    return argv;
}

}  // namespace

Keeper::Keeper(const Plan& plan) {
    const std::vector<std::string> remove = removal(plan.remove);
    const std::vector<char*> server_argv = exec_arguments(plan.argv);
    const std::vector<char*> remove_argv = exec_arguments(remove);
    int watch[2];
    int status[2];
    connect_pair(watch);
    connect_pair(status);
    keeper_ = ::fork();
    if (keeper_ == 0) {
        run_keeper({server_argv.data(), remove_argv.data(), &plan.as, plan.log.c_str(), watch[0], status[1]});
    }
    ::close(watch[0]);
    ::close(status[1]);
    watch_ = watch[1];
    ssize_t got = 0;
    while (keeper_ > 0 && (got = ::read(status[0], &postmaster_, sizeof postmaster_)) < 0 && errno == EINTR) {
    }
    ::close(status[0]);
    if (got == sizeof postmaster_) return;
    ::close(watch_);
    if (keeper_ > 0) ::waitpid(keeper_, nullptr, 0);
    throw Error(ErrorKind::disk, fmt::format("no process for the server can be made: {}", std::strerror(errno)));
}

Keeper::~Keeper() {
    if (is_running()) {
        signal(SIGQUIT);
        if (!wait(patience_ms / 1000)) signal(SIGKILL);
        wait(patience_ms / 1000);
    }
    ::close(watch_);
}

bool Keeper::is_running() {
    if (keeper_ == 0) return false;
    const pid_t ended = ::waitpid(keeper_, nullptr, WNOHANG);
    if (ended == keeper_ || (ended < 0 && errno == ECHILD)) keeper_ = 0;
    return keeper_ != 0;
}

void Keeper::signal(int number) {
    const char byte = static_cast<char>(number);
    // Fails only if the keeper, and with it the server, is gone: which the caller finds out by waiting.
    while (::send(watch_, &byte, 1, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

bool Keeper::wait(int seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (is_running()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

}  // namespace eider::dev
