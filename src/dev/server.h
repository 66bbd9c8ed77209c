// A throwaway PostgreSQL server of one's own: for tests, CI and `eider dev`.
//
// Guarantees: it listens on a socket in a folder that only its owner enters and on a free port of 127.0.0.1 with a
// random password. Destroying the Server ends it and removes its folder; so does the death of this process,
// however it comes (see keeper.h). Started as root it runs as the user `postgres` or `nobody`. The first start of a
// version runs initdb and keeps the result in a cache; later ones copy it. What it acknowledges survives kill(),
// though not a power cut: fsync is off.
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace eider::dev {

struct ServerOptions {
    std::filesystem::path bin_folder;             // of initdb and postgres; empty: see find_binaries
    std::map<std::string, std::string> settings;  // of postgresql.conf, over eider's own
    // Removed, too, when this process dies without destroying the Server.
    std::vector<std::filesystem::path> also_remove;
};

// How to reach a server; also for one that this process did not start.
struct Address {
    std::filesystem::path socket_folder;
    int port = 0;
    std::string password;  // of the superuser `postgres`

    // postgresql://postgres:...@127.0.0.1:PORT/DATABASE, which every client understands.
    std::string uri(const std::string& database = "postgres") const;
    // host=/... port=... user=postgres dbname=...: through the socket, without a password.
    std::string socket_string(const std::string& database = "postgres") const;
};

class Server {
public:
    // Throws Error: config (no PostgreSQL found), disk, source_unavailable (it does not start; with its own words).
    static Server start(ServerOptions options = {});

    Server(Server&&) noexcept;
    Server& operator=(Server&&) noexcept;
    ~Server();

    const Address& address() const;
    std::string connection_string(const std::string& database = "postgres") const { return address().uri(database); }
    int port() const { return address().port; }
    const std::filesystem::path& socket_folder() const { return address().socket_folder; }
    std::filesystem::path log_file() const;
    pid_t pid() const;  // of the postmaster; 0 when it is not running
    bool is_running() const;

    // Each returns when all processes of the server are gone.
    void stop_fast();       // as `pg_ctl stop -m fast`: open transactions roll back, all is written
    void stop_immediate();  // as a crash that the server notices; recovery at the next start
    void kill();            // SIGKILL to the postmaster

    // Starts it again on the same folder, port and settings, plus `settings`. Throws as start does.
    void start_again(const std::map<std::string, std::string>& settings = {});

private:
    class Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace eider::dev
