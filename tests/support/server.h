// A real PostgreSQL for a test program, and clients of it.
//
//   const Database database = fresh_database();
//   Client application(database.uri);
//   application.run("CREATE TABLE orders (id int PRIMARY KEY)");
//   run_eider({"init", database.uri}, {}, folder.path());
//
// Threads: shared_server and fresh_database from any; a Client from one at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dev/server.h"

struct pg_conn;

namespace eider::test {

// The server that all tests of this program share, started when first asked for. It has room for prepared
// transactions. A test that stops or kills a server starts one of its own: dev::Server::start().
dev::Server& shared_server();

struct Database {
    std::string name;
    std::string uri;  // as its superuser
};

// A new, empty database; `server` defaults to the shared one.
Database fresh_database();
Database fresh_database(dev::Server& server);

// A connection as an application has one: default search_path, default settings. Errors throw std::runtime_error with
// the server's message.
class Client {
public:
    explicit Client(const std::string& connection_string);
    ~Client();
    Client(Client&& other) noexcept;
    Client& operator=(Client&&) = delete;

    using Row = std::vector<std::optional<std::string>>;  // NULL is nullopt

    // One or several statements; the rows of the last.
    std::vector<Row> run(const std::string& sql);

    // The first column of the first row, "" for NULL; throws if there is no row.
    std::string value(const std::string& sql);
    long long number(const std::string& sql);

    // Sends a statement and returns while it runs; finish() waits for it and throws as run does.
    void send(const std::string& sql);
    void finish();

    int backend_pid() const;

private:
    pg_conn* connection_;
};

}  // namespace eider::test
