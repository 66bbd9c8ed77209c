// Programs that a test runs: eider, a stranger's Python, anything else.
//
// Guarantees: a program that is not done in time is killed and its output shown; the ones a test leaves behind are
// killed when the Process is destroyed. The variables of this process's environment that would change what eider does
// (EIDER_*, PG*, DATABASE_URL) are not inherited.
// Threads: one at a time per Process.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace eider::test {

using Variables = std::map<std::string, std::string>;

struct Finished {
    int exit_code = 0;  // 128 + n for a program ended by signal n
    std::string out;
    std::string err;
    long peak_kib = 0;  // of memory: the most that was resident at once
};

class Process {
public:
    // argv[0] is looked for on PATH; an empty `folder` is this process's. Its stdin is empty.
    explicit Process(const std::vector<std::string>& argv, const Variables& environment = {},
                     const std::filesystem::path& folder = {});
    ~Process();
    Process(Process&& other) noexcept;
    Process& operator=(Process&&) = delete;

    pid_t pid() const { return pid_; }
    bool is_running();
    void signal(int number);

    // What it wrote so far.
    std::string out() const;
    std::string err() const;

    // Waits for its end; kills it, and fails the test, after `deadline`.
    Finished wait(std::chrono::seconds deadline = std::chrono::seconds(120));

private:
    pid_t pid_ = 0;
    int out_ = -1;
    int err_ = -1;
    int status_ = 0;
    long peak_kib_ = 0;
    std::string name_;
};

// `EIDER_BIN args...` to its end.
Finished run_eider(const std::vector<std::string>& args, const Variables& environment = {},
                   const std::filesystem::path& folder = {});

// The same in the background.
Process start_eider(const std::vector<std::string>& args, const Variables& environment = {},
                    const std::filesystem::path& folder = {});

// Runs a script with the Python that has DuckDB from PyPI (EIDER_PYTHON); `args` are its sys.argv[1:].
Finished python(const std::string& script, const std::vector<std::string>& args = {},
                const Variables& environment = {});

Finished run(const std::vector<std::string>& argv, const Variables& environment = {},
             const std::filesystem::path& folder = {});

// Variables of ctest: paths of what was built and of the sources. Fails loudly if they are not set.
std::filesystem::path eider_binary();
std::filesystem::path source_root();
std::filesystem::path python_binary();

}  // namespace eider::test
