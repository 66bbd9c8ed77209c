#include "dev/process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;

constexpr int exit_cannot_exec = 127;

[[noreturn]] void fail(const std::string& what) {
    throw Error(ErrorKind::disk, fmt::format("{}: {}", what, std::strerror(errno)));
}

// What the child of a fork does for run_program.
[[noreturn]] void exec_child(char* const* argv, const RunAs& as, int output) {
    reset_signals();
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    close_from(3);
    if (!become(as)) ::_exit(exit_cannot_exec);
    if (as.change && ::chdir("/") != 0) ::_exit(exit_cannot_exec);
    ::execvp(argv[0], argv);
    ::_exit(exit_cannot_exec);
}

// The fields of /proc/PID/stat from the third (state) on; empty if the process is not there. The second, the name,
// may hold anything, so the fields are counted from its closing bracket.
std::vector<std::string> stat_fields(pid_t pid) {
    std::ifstream in(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(in, text, '\0');
    const std::size_t bracket = text.rfind(')');
    if (bracket == std::string::npos) return {};
    std::istringstream rest(text.substr(bracket + 1));
    std::vector<std::string> fields;
    for (std::string field; rest >> field;) fields.push_back(field);
    return fields;
}

}  // namespace

std::vector<char*> exec_arguments(const std::vector<std::string>& argv) {
    std::vector<char*> out;
    for (const auto& argument : argv) out.push_back(const_cast<char*>(argument.c_str()));
    out.push_back(nullptr);
    return out;
}

void reset_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool become(const RunAs& as) {
    if (!as.change) return true;
    return ::setgroups(1, &as.gid) == 0 && ::setgid(as.gid) == 0 && ::setuid(as.uid) == 0;
}

void close_from(int first) {
    if (::syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0) == 0) return;
    for (int descriptor = first; descriptor < 4096; ++descriptor) ::close(descriptor);
}

void redirect_to_log(const char* log) {
    const int null = ::open("/dev/null", O_RDONLY);
    const int out = ::open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(null, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
}

Output run_program(const std::vector<std::string>& argv, const RunAs& as) {
    const std::vector<char*> arguments = exec_arguments(argv);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail("no pipe");
    const pid_t pid = ::fork();
    if (pid == 0) exec_child(arguments.data(), as, ends[1]);
    ::close(ends[1]);
    if (pid < 0) {
        ::close(ends[0]);
        fail(fmt::format("{} cannot be started", argv[0]));
    }
    Output output;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR);) {
        if (got > 0) output.text.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    output.exit_code = exit_code_of(status);
    return output;
}

pid_t start_detached(const std::vector<std::string>& argv, const RunAs& as, const fs::path& log) {
    const std::vector<char*> arguments = exec_arguments(argv);
    const pid_t pid = ::fork();
    if (pid < 0) fail(fmt::format("{} cannot be started", argv[0]));
    if (pid > 0) return pid;
    ::setsid();
    reset_signals();
    if (!become(as)) ::_exit(exit_cannot_exec);
    redirect_to_log(log.c_str());
    close_from(3);
    ::execv(arguments[0], arguments.data());
    ::_exit(exit_cannot_exec);
}

int exit_code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool is_alive(pid_t pid) {
    const auto fields = stat_fields(pid);
    return !fields.empty() && fields[0] != "Z" && fields[0] != "X";
}

unsigned long long start_time(pid_t pid) {
    const auto fields = stat_fields(pid);
    return fields.size() > 19 ? std::stoull(fields[19]) : 0;  // field 22 of proc(5)
}

std::vector<pid_t> descendants(pid_t root) {
    std::multimap<pid_t, pid_t> children;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        const auto pid = static_cast<pid_t>(std::stol(name));
        if (const auto fields = stat_fields(pid); fields.size() > 1) children.emplace(std::stol(fields[1]), pid);
    }
    std::vector<pid_t> found;
    for (std::size_t at = 0; at <= found.size(); ++at) {
        const pid_t parent = at == 0 ? root : found[at - 1];
        const auto [from, to] = children.equal_range(parent);
        for (auto child = from; child != to; ++child) found.push_back(child->second);
    }
    return found;
}

}  // namespace eider::dev
