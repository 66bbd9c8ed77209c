#include "dev/launch.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto start_deadline = 60s;

// synchronous_commit stays on: a server that a test kills keeps what it acknowledged. Without fsync that costs nothing.
std::map<std::string, std::string> throwaway_settings(const fs::path& socket_folder, int port) {
    return {{"listen_addresses", "127.0.0.1"},
            {"port", std::to_string(port)},
            {"unix_socket_directories", socket_folder.string()},
            {"fsync", "off"},
            {"full_page_writes", "off"},
            {"wal_level", "minimal"},
            {"max_wal_senders", "0"},
            {"max_prepared_transactions", "20"},
            {"logging_collector", "off"},
            {"log_line_prefix", "%m [%p] %u@%d "},
            {"lc_messages", "C"}};
}

constexpr int ports_max = 5;

// Without tries at other ports; false if the server ended at once.
bool run_on_free_port(const fs::path& log, const Cluster& cluster, const std::function<bool(const Cluster&)>& run) {
    for (int tried = 0; tried < ports_max; ++tried) {
        std::error_code ignored;
        fs::remove(log, ignored);
        if (run(cluster)) return true;
        // The server's own words; its messages are in English (lc_messages = C).
        if (end_of_log(log).find("Address already in use") == std::string::npos) return false;
    }
    return false;
}

}  // namespace

Cluster run_somehow(const Binaries& binaries, const RunAs& as, const fs::path& folder,
                    const std::function<bool(const Cluster&)>& run) {
    const fs::path log = folder / "log";
    Cluster cluster = make_cluster(binaries, as, folder);
    if (run_on_free_port(log, cluster, run)) return cluster;
    if (cluster.from_cache) {
        cluster = make_cluster(binaries, as, folder, false);
        if (run_on_free_port(log, cluster, run)) {
            // Not a copy of this one, which is in use: the next start makes it.
            std::error_code ignored;
            fs::remove_all(cached_cluster(binaries, as), ignored);
            return cluster;
        }
    }
    throw Error(ErrorKind::source_unavailable,
                fmt::format("the PostgreSQL server does not start:\n{}", end_of_log(log)),
                fmt::format("its programs are those of {}", binaries.folder.string()));
}

int free_port() {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    const bool got =
        descriptor >= 0 && ::bind(descriptor, any, size) == 0 && ::getsockname(descriptor, any, &size) == 0;
    const int error = errno;
    ::close(descriptor);
    if (!got) throw Error(ErrorKind::disk, fmt::format("there is no free port on 127.0.0.1: {}", std::strerror(error)));
    return ntohs(address.sin_port);
}

std::vector<std::string> server_command(const Binaries& binaries, const fs::path& data, const fs::path& socket_folder,
                                        int port, const std::map<std::string, std::string>& settings) {
    auto all = throwaway_settings(socket_folder, port);
    for (const auto& [name, value] : settings) all[name] = value;
    // The server does not start with wal_level = minimal and WAL senders; who wants either says only one of them.
    if (all["wal_level"] == "minimal") all["max_wal_senders"] = "0";
    else if (!settings.contains("max_wal_senders")) all["max_wal_senders"] = "10";
    std::vector<std::string> argv{(binaries.folder / "postgres").string(), "-D", data.string()};
    for (const auto& [name, value] : all) {
        argv.emplace_back("-c");
        argv.push_back(fmt::format("{}={}", name, value));
    }
    return argv;
}

Noted read_pid_file(const fs::path& data) {
    // pid, data folder, start time, port, socket folder, listen address, shared memory, status (miscadmin.h)
    std::ifstream in(data / "postmaster.pid");
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    Noted noted;
    if (lines.size() >= 4) {
        noted.pid = static_cast<pid_t>(std::strtol(lines[0].c_str(), nullptr, 10));
        noted.port = static_cast<int>(std::strtol(lines[3].c_str(), nullptr, 10));
    }
    noted.ready = lines.size() >= 8 && trim(lines[7]) == "ready";
    return noted;
}

bool wait_until_ready(const fs::path& data, pid_t pid, const std::function<bool()>& is_running) {
    const auto deadline = std::chrono::steady_clock::now() + start_deadline;
    while (std::chrono::steady_clock::now() < deadline) {
        const Noted noted = read_pid_file(data);
        // The file may be that of a server that was killed.
        if (noted.ready && noted.pid == pid) return true;
        if (!is_running()) return false;
        std::this_thread::sleep_for(5ms);
    }
    throw Error(ErrorKind::source_unavailable, "the server did not become ready within a minute");
}

std::string end_of_log(const fs::path& log) {
    std::ifstream in(log);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    static constexpr std::size_t bytes_max = 2'000;
    const std::string_view all = trim(text);
    return std::string(all.size() > bytes_max ? all.substr(all.size() - bytes_max) : all);
}

}  // namespace eider::dev
