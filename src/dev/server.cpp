#include "dev/server.h"

#include <cctype>
#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "dev/binaries.h"
#include "dev/cluster.h"
#include "dev/keeper.h"
#include "dev/launch.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;

constexpr int patience_s = 60;

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.') out += c;
        else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

// For a quoted value of a keyword/value connection string.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

}  // namespace

std::string Address::uri(const std::string& database) const {
    return fmt::format("postgresql://postgres:{}@127.0.0.1:{}/{}", password, port, percent_encoded(database));
}

std::string Address::socket_string(const std::string& database) const {
    return fmt::format("host='{}' port={} user=postgres dbname='{}'", escaped(socket_folder.string()), port,
                       escaped(database));
}

class Server::Impl {
public:
    explicit Impl(ServerOptions options)
        : options_(std::move(options)), binaries_(find_binaries(options_.bin_folder)), as_(server_user()) {
        folder_ = make_temporary_folder(as_);
    }
    ~Impl() {
        keeper_.reset();
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void start_first() {
        run_somehow(binaries_, as_, folder_, [this](const Cluster& cluster) {
            data_ = cluster.data;
            address_ = {folder_, free_port(), cluster.password};
            return run();
        });
    }

    void start_again(const std::map<std::string, std::string>& settings) {
        if (is_running()) throw Error(ErrorKind::internal, "start_again of a server that runs");
        for (const auto& [name, value] : settings) options_.settings[name] = value;
        if (run()) return;
        throw Error(ErrorKind::source_unavailable,
                    fmt::format("the PostgreSQL server does not start again:\n{}", end_of_log(log())));
    }

    void end(int signal) {
        if (!keeper_) return;
        keeper_->signal(signal);
        if (!keeper_->wait(patience_s)) {
            throw Error(ErrorKind::source_unavailable, fmt::format("the server did not end within {} s", patience_s));
        }
        keeper_.reset();
    }

    bool is_running() { return keeper_ && keeper_->is_running(); }
    pid_t pid() { return is_running() ? keeper_->postmaster() : 0; }
    const Address& address() const { return address_; }
    fs::path log() const { return folder_ / "log"; }

private:
    // False if the server ended at once.
    bool run() {
        std::vector<fs::path> remove{folder_};
        remove.insert(remove.end(), options_.also_remove.begin(), options_.also_remove.end());
        keeper_ = std::make_unique<Keeper>(Keeper::Plan{
            server_command(binaries_, data_, folder_, address_.port, options_.settings), as_, log(), remove});
        if (wait_until_ready(data_, keeper_->postmaster(), [&] { return keeper_->is_running(); })) return true;
        keeper_.reset();
        return false;
    }

    ServerOptions options_;
    Binaries binaries_;
    RunAs as_;
    fs::path folder_;
    fs::path data_;
    Address address_;
    std::unique_ptr<Keeper> keeper_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

Server Server::start(ServerOptions options) {
    auto impl = std::make_unique<Impl>(std::move(options));
    impl->start_first();
    return Server(std::move(impl));
}

const Address& Server::address() const {
    return impl_->address();
}

fs::path Server::log_file() const {
    return impl_->log();
}

pid_t Server::pid() const {
    return impl_->pid();
}

bool Server::is_running() const {
    return impl_->is_running();
}

void Server::stop_fast() {
    impl_->end(SIGINT);
}

void Server::stop_immediate() {
    impl_->end(SIGQUIT);
}

void Server::kill() {
    impl_->end(SIGKILL);
}

void Server::start_again(const std::map<std::string, std::string>& settings) {
    impl_->start_again(settings);
}

}  // namespace eider::dev
