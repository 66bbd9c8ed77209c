#include "dev/background.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "dev/binaries.h"
#include "dev/cluster.h"
#include "dev/launch.h"
#include "dev/process.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto stop_deadline = 20s;

fs::path state_folder() {
    const fs::path cache = cache_folder();
    if (cache.empty())
        throw Error(ErrorKind::config, "neither XDG_CACHE_HOME nor HOME is set: nowhere to note the server");
    return cache / "dev";
}

// The folder's own path as one file name.
fs::path state_file(const fs::path& project) {
    std::string name;
    for (const char c : fs::weakly_canonical(project).string()) {
        if (c == '/') name += "%2F";
        else if (c == '%') name += "%25";
        else name += c;
    }
    if (name.size() > 200) name = name.substr(name.size() - 180) + "-" + hash_of(name);
    return state_folder() / name;
}

// Keeps others that start or stop the server of the same folder out.
class Lock {
public:
    explicit Lock(const fs::path& state) {
        fs::create_directories(state.parent_path());
        const std::string file = state.string() + ".lock";
        descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX) != 0) {
            throw Error(ErrorKind::disk, fmt::format("{} cannot be locked: {}", file, std::strerror(errno)));
        }
    }
    ~Lock() { ::close(descriptor_); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    int descriptor_ = -1;
};

void write_state(const fs::path& file, const Background& server) {
    const fs::path fresh = file.string() + ".new";
    std::ofstream out(fresh);
    fs::permissions(fresh, fs::perms::owner_read | fs::perms::owner_write);
    out << "pid " << server.pid << "\nstarted " << server.started << "\nport " << server.address.port << "\npassword "
        << server.address.password << "\nversion " << server.version << "\nfolder " << server.folder.string()
        << std::endl;
    if (!out) throw Error(ErrorKind::disk, fmt::format("{} cannot be written", fresh.string()));
    fs::rename(fresh, file);
}

std::optional<Background> read_state(const fs::path& file) {
    std::ifstream in(file);
    std::map<std::string, std::string> values;
    for (std::string line; std::getline(in, line);)
        values[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
    if (values["folder"].empty()) return {};
    Background server;
    server.pid = static_cast<pid_t>(std::strtol(values["pid"].c_str(), nullptr, 10));
    server.started = std::strtoull(values["started"].c_str(), nullptr, 10);
    server.version = values["version"];
    server.folder = values["folder"];
    server.data_path = server.folder / "lake";
    server.address = {server.folder / "server", static_cast<int>(std::strtol(values["port"].c_str(), nullptr, 10)),
                      values["password"]};
    return server;
}

bool is_same_process(const Background& server) {
    return server.pid > 0 && is_alive(server.pid) && start_time(server.pid) == server.started;
}

// Waits for its end; also reaps it, should it be a child of this process.
bool wait_for_end(const Background& server) {
    const auto deadline = std::chrono::steady_clock::now() + stop_deadline;
    while (is_same_process(server)) {
        ::waitpid(server.pid, nullptr, WNOHANG);
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

// False if the server ended at once.
bool launch(Background& server, const Binaries& binaries, const RunAs& as, const fs::path& data,
            const ServerOptions& options) {
    server.address.port = free_port();
    const fs::path& socket_folder = server.address.socket_folder;
    server.pid = start_detached(server_command(binaries, data, socket_folder, server.address.port, options.settings),
                                as, socket_folder / "log");
    server.started = start_time(server.pid);
    return wait_until_ready(data, server.pid, [&] {
        ::waitpid(server.pid, nullptr, WNOHANG);
        return is_alive(server.pid);
    });
}

// The lake's folder is this user's, the server's folder the server's: so both lie in a third that both can enter.
Background make_folders(const RunAs& as) {
    Background server;
    server.folder = make_temporary_folder({});
    if (as.change) fs::permissions(server.folder, fs::perms::others_exec, fs::perm_options::add);
    server.address.socket_folder = server.folder / "server";
    server.data_path = server.folder / "lake";
    for (const auto& folder : {server.address.socket_folder, server.data_path}) {
        fs::create_directory(folder);
        fs::permissions(folder, fs::perms::owner_all);
    }
    if (as.change && ::chown(server.address.socket_folder.c_str(), as.uid, as.gid) != 0) {
        throw Error(ErrorKind::disk, fmt::format("{} cannot be given to {}", server.folder.string(), as.name));
    }
    return server;
}

Background start(const ServerOptions& options) {
    const Binaries binaries = find_binaries(options.bin_folder);
    const RunAs as = server_user();
    Background server = make_folders(as);
    try {
        server.version = binaries.version;
        run_somehow(binaries, as, server.address.socket_folder, [&](const Cluster& cluster) {
            server.address.password = cluster.password;
            return launch(server, binaries, as, cluster.data, options);
        });
    } catch (...) {
        if (is_same_process(server)) ::kill(server.pid, SIGKILL);
        std::error_code ignored;
        fs::remove_all(server.folder, ignored);
        throw;
    }
    return server;
}

// What a server leaves that was killed, or that a restart of the machine ended.
void remove_remains(const Background& server) {
    std::error_code ignored;
    fs::remove_all(server.folder, ignored);
}

}  // namespace

std::optional<Background> find_background(const fs::path& project) {
    auto server = read_state(state_file(project));
    if (!server || !is_same_process(*server)) return {};
    return server;
}

Started start_background(const fs::path& project, const ServerOptions& options) {
    const fs::path file = state_file(project);
    const Lock lock(file);
    if (auto running = find_background(project)) return {*running, true};
    if (const auto remains = read_state(file)) remove_remains(*remains);
    Background server = start(options);
    write_state(file, server);
    return {server, false};
}

bool stop_background(const fs::path& project) {
    const fs::path file = state_file(project);
    const Lock lock(file);
    const auto server = read_state(file);
    if (!server) return false;
    const bool running = is_same_process(*server);
    if (running) {
        ::kill(server->pid, SIGQUIT);
        if (!wait_for_end(*server)) {
            throw Error(ErrorKind::source_unavailable, fmt::format("the server (pid {}) does not end", server->pid),
                        fmt::format("kill -9 {}", server->pid));
        }
    }
    remove_remains(*server);
    std::error_code ignored;
    fs::remove(file, ignored);
    return running;
}

}  // namespace eider::dev
