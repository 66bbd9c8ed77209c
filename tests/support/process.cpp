#include "support/process.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/process.h"
#include "support/wait.h"

namespace eider::test {
namespace {

namespace fs = std::filesystem;

fs::path from_environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr)
        throw std::runtime_error(fmt::format("{} is not set: run the tests through ctest or make", name));
    return value;
}

bool is_inherited(std::string_view entry) {
    if (entry.starts_with("EIDER_PG_BIN=") || entry.starts_with("EIDER_EXTENSION_DIR")) return true;
    return !entry.starts_with("EIDER_") && !entry.starts_with("PG") && !entry.starts_with("DATABASE_URL=");
}

std::vector<std::string> environment_with(const Variables& variables) {
    std::vector<std::string> out;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text(*entry);
        if (is_inherited(text) && !variables.contains(text.substr(0, text.find('=')))) out.push_back(text);
    }
    for (const auto& [name, value] : variables) out.push_back(fmt::format("{}={}", name, value));
    return out;
}

std::string contents(int file) {
    std::string text;
    char buffer[8192];
    for (off_t at = 0;; at = static_cast<off_t>(text.size())) {
        const ssize_t got = ::pread(file, buffer, sizeof buffer, at);
        if (got <= 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
    }
}

[[noreturn]] void exec_child(char* const* argv, char* const* environment, const char* folder, int out, int err) {
    dev::reset_signals();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::close(0);
    ::memfd_create("stdin", 0);
    dev::close_from(3);
    if (*folder != '\0' && ::chdir(folder) != 0) ::_exit(126);
    ::execvpe(argv[0], argv, environment);
    ::_exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const Variables& environment, const fs::path& folder)
    : out_(::memfd_create("stdout", MFD_CLOEXEC)), err_(::memfd_create("stderr", MFD_CLOEXEC)), name_(argv[0]) {
    const std::vector<std::string> variables = environment_with(environment);
    const std::vector<char*> arguments = dev::exec_arguments(argv);
    const std::vector<char*> entries = dev::exec_arguments(variables);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error(name_ + " cannot be started");
    if (pid_ == 0) exec_child(arguments.data(), entries.data(), folder.c_str(), out_, err_);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)),
      status_(other.status_),
      peak_kib_(other.peak_kib_),
      name_(std::move(other.name_)) {}

Process::~Process() {
    if (is_running()) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    if (out_ >= 0) ::close(out_);
    if (err_ >= 0) ::close(err_);
}

bool Process::is_running() {
    rusage usage{};
    if (pid_ > 0 && ::wait4(pid_, &status_, WNOHANG, &usage) == pid_) {
        pid_ = 0;
        peak_kib_ = usage.ru_maxrss;
    }
    return pid_ > 0;
}

void Process::signal(int number) {
    if (is_running()) ::kill(pid_, number);
}

std::string Process::out() const {
    return contents(out_);
}

std::string Process::err() const {
    return contents(err_);
}

Finished Process::wait(std::chrono::seconds deadline) {
    if (!wait_until([this] { return !is_running(); }, deadline)) {
        ADD_FAILURE() << name_ << " was not done within " << deadline.count() << " s; it said:\n" << out() << err();
        signal(SIGKILL);
        ::waitpid(std::exchange(pid_, 0), &status_, 0);
    }
    return {dev::exit_code_of(status_), out(), err(), peak_kib_};
}

Finished run(const std::vector<std::string>& argv, const Variables& environment, const fs::path& folder) {
    return Process(argv, environment, folder).wait();
}

Process start_eider(const std::vector<std::string>& args, const Variables& environment, const fs::path& folder) {
    std::vector<std::string> argv{eider_binary().string()};
    argv.insert(argv.end(), args.begin(), args.end());
    return Process(argv, environment, folder);
}

Finished run_eider(const std::vector<std::string>& args, const Variables& environment, const fs::path& folder) {
    return start_eider(args, environment, folder).wait();
}

Finished python(const std::string& script, const std::vector<std::string>& args, const Variables& environment) {
    std::vector<std::string> argv{python_binary().string(), "-c", script};
    argv.insert(argv.end(), args.begin(), args.end());
    return run(argv, environment);
}

fs::path eider_binary() {
    return from_environment("EIDER_BIN");
}

fs::path source_root() {
    return from_environment("EIDER_ROOT");
}

fs::path python_binary() {
    return from_environment("EIDER_PYTHON");
}

}  // namespace eider::test
