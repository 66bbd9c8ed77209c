#include "dev/run.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "dev/binaries.h"
#include "dev/cluster.h"
#include "dev/process.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// How long a command may take to end after a signal, before it is killed.
constexpr auto grace = 10s;
// And what it started, when it has ended itself.
constexpr auto grace_of_orphans = 2s;

class Folder {
public:
    Folder() : path(make_temporary_folder({})) {}
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const fs::path path;
};

// Blocks the signals that are waited for, so that none is lost between two waits, nor during the start of the server.
// One that is ignored (nohup, a background job) stays so.
class BlockedSignals {
public:
    BlockedSignals() {
        ::signal(SIGCHLD, SIG_DFL);
        ::sigemptyset(&set_);
        ::sigaddset(&set_, SIGCHLD);
        for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
            struct sigaction action {};
            ::sigaction(number, nullptr, &action);
            if (action.sa_handler != SIG_IGN) ::sigaddset(&set_, number);
        }
        ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }
    ~BlockedSignals() {
        // One that came in the end would be delivered now and turn an orderly end into a death by signal.
        while (next(std::chrono::milliseconds(0))) {
        }
        restore();
    }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

    // As before this object: for a child, too.
    void restore() const { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    // The next signal, or nothing within `timeout`.
    std::optional<siginfo_t> next(std::chrono::milliseconds timeout) const {
        const timespec time{timeout.count() / 1000, timeout.count() % 1000 * 1'000'000};
        siginfo_t info{};
        if (::sigtimedwait(&set_, &info, &time) < 0) return {};
        return info;
    }

private:
    sigset_t set_{};
    sigset_t before_{};
};

class Command {
public:
    Command(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
            const BlockedSignals& signals) {
        std::vector<std::string> entries;
        for (char** entry = environ; *entry != nullptr; ++entry) {
            const std::string text(*entry);
            if (!environment.contains(text.substr(0, text.find('=')))) entries.push_back(text);
        }
        for (const auto& [name, value] : environment) entries.push_back(fmt::format("{}={}", name, value));
        const auto arguments = exec_arguments(argv);
        const auto variables = exec_arguments(entries);
        pid_ = ::fork();
        if (pid_ < 0)
            throw Error(ErrorKind::disk, fmt::format("{} cannot be started: {}", argv[0], std::strerror(errno)));
        if (pid_ == 0) exec(arguments.data(), variables.data(), signals);
    }

    pid_t pid() const { return pid_; }

    // The exit code, once it has ended.
    std::optional<int> exit_code() {
        int status = 0;
        if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) code_ = exit_code_of(status);
        return code_;
    }

private:
    [[noreturn]] static void exec(char* const* argv, char* const* variables, const BlockedSignals& signals) {
        signals.restore();
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        ::execvpe(argv[0], argv, variables);
        std::fprintf(stderr, "eider: %s: %s\n", argv[0], std::strerror(errno));
        ::_exit(127);
    }

    pid_t pid_ = 0;
    std::optional<int> code_;
};

// The command and all that it started; not the keeper of the server and what is below that.
class Family {
public:
    explicit Family(pid_t server) {
        // Children whose parents end become ours, so that they can still be found.
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        others_ = descendants(::getpid());
        others_.push_back(server);
    }

    std::vector<pid_t> members() const {
        std::vector<pid_t> excluded = others_;
        for (const pid_t other : others_) {
            const auto below = descendants(other);
            excluded.insert(excluded.end(), below.begin(), below.end());
        }
        std::vector<pid_t> out;
        for (const pid_t pid : descendants(::getpid())) {
            if (std::find(excluded.begin(), excluded.end(), pid) == excluded.end() && is_alive(pid)) out.push_back(pid);
        }
        return out;
    }

    void signal(int number) const {
        for (const pid_t pid : members()) ::kill(pid, number);
    }

private:
    std::vector<pid_t> others_;
};

// Collects children of children that have ended; the command's own status is left to Command.
void reap_orphans(const Command& command) {
    while (true) {
        siginfo_t ended{};
        if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
        if (ended.si_pid == command.pid()) return;
        ::waitpid(ended.si_pid, nullptr, WNOHANG);
    }
}

// Ctrl-C and Ctrl-\\: the terminal sends them to the command as well, which decides what they mean (psql cancels a
// statement and goes on).
bool is_key(const siginfo_t& info) {
    return info.si_code == SI_KERNEL && (info.si_signo == SIGINT || info.si_signo == SIGQUIT);
}

// Until the command ends. After a signal: until nothing of its family is left, or `grace` has passed.
int wait_for(Command& command, const Family& family, const BlockedSignals& signals) {
    std::optional<Clock::time_point> killing_time;
    bool was_running = true;
    while (true) {
        const auto code = command.exit_code();
        if (code && killing_time && was_running)
            killing_time = std::min(*killing_time, Clock::now() + grace_of_orphans);
        was_running = !code;
        if (code && (!killing_time || family.members().empty())) return *code;
        if (killing_time && Clock::now() > *killing_time) family.signal(SIGKILL);
        const auto signal = signals.next(killing_time ? 50ms : 1s);
        reap_orphans(command);
        if (!signal || signal->si_signo == SIGCHLD || is_key(*signal)) continue;
        family.signal(signal->si_signo);
        if (!killing_time) killing_time = Clock::now() + grace;
    }
}

}  // namespace

std::map<std::string, std::string> variables(const Address& address, const std::string& data_path) {
    return {{"DATABASE_URL", address.uri()},
            {"EIDER_SOURCE", address.uri()},
            {"EIDER_CATALOG", "source"},
            {"EIDER_DATA_PATH", data_path}};
}

int run_with_server(const std::vector<std::string>& command, const ServerOptions& options) {
    const BlockedSignals signals;
    const Folder lake;
    ServerOptions with_lake = options;
    with_lake.also_remove.push_back(lake.path);
    const Server server = Server::start(with_lake);
    const Family family(server.pid());
    if (const auto early = signals.next(0ms); early && early->si_signo != SIGCHLD) return 128 + early->si_signo;
    Command running(command, variables(server.address(), lake.path / "lake"), signals);
    return wait_for(running, family, signals);
}

}  // namespace eider::dev
