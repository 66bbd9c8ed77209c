#include "support/server.h"

#include <atomic>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

namespace eider::test {
namespace {

// Frees the result, and throws if it is an error.
std::vector<Client::Row> take_rows(pg_conn* connection, pg_result* result) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
        PQclear(result);
        throw std::runtime_error(PQerrorMessage(connection));
    }
    std::vector<Client::Row> rows(static_cast<std::size_t>(PQntuples(result)));
    for (int row = 0; row < PQntuples(result); ++row) {
        for (int column = 0; column < PQnfields(result); ++column) {
            auto& cell = rows[static_cast<std::size_t>(row)].emplace_back();
            if (PQgetisnull(result, row, column) == 0) cell = PQgetvalue(result, row, column);
        }
    }
    PQclear(result);
    return rows;
}

}  // namespace

dev::Server& shared_server() {
    static dev::Server server = dev::Server::start();
    return server;
}

Database fresh_database() {
    return fresh_database(shared_server());
}

Database fresh_database(dev::Server& server) {
    static std::atomic<int> made = 0;
    const std::string name = fmt::format("test_{}_{}", ::getpid(), ++made);
    Client(server.address().socket_string()).run("CREATE DATABASE " + name);
    return {name, server.connection_string(name)};
}

Client::Client(const std::string& connection_string) : connection_(PQconnectdb(connection_string.c_str())) {
    PQsetNoticeProcessor(
        connection_, [](void*, const char*) {}, nullptr);
    if (PQstatus(connection_) == CONNECTION_OK) return;
    const std::string message = PQerrorMessage(connection_);
    PQfinish(connection_);
    throw std::runtime_error(message);
}

Client::~Client() {
    PQfinish(connection_);
}

Client::Client(Client&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}

std::vector<Client::Row> Client::run(const std::string& sql) {
    return take_rows(connection_, PQexec(connection_, sql.c_str()));
}

std::string Client::value(const std::string& sql) {
    const auto rows = run(sql);
    if (rows.empty() || rows[0].empty()) throw std::runtime_error("no row: " + sql);
    return rows[0][0].value_or("");
}

long long Client::number(const std::string& sql) {
    return std::stoll(value(sql));
}

void Client::send(const std::string& sql) {
    if (PQsendQuery(connection_, sql.c_str()) == 0) throw std::runtime_error(PQerrorMessage(connection_));
}

void Client::finish() {
    std::string error;
    while (pg_result* result = PQgetResult(connection_)) {
        try {
            take_rows(connection_, result);
        } catch (const std::runtime_error& failure) {
            error = failure.what();
        }
    }
    if (!error.empty()) throw std::runtime_error(error);
}

int Client::backend_pid() const {
    return PQbackendPID(connection_);
}

}  // namespace eider::test
