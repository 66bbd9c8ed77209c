// A connection to PostgreSQL and the results of its statements.
//
// Guarantees: every session of eider has the same settings (UTF-8, ISO dates, UTC, search_path pg_catalog), so
// that what a value looks like never depends on a server's configuration; errors name what was being done and
// never hold a password. This folder is the only place with libpq.
// Threads: one thread at a time per connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

struct pg_conn;
struct pg_result;

namespace eider::postgres {

class CopyReader;

// A statement that the server refused. `kind()` follows from the SQLSTATE, which is kept for those who must
// tell two refusals apart (PostgreSQL documentation, appendix A).
class SqlError : public Error {
public:
    SqlError(ErrorKind kind, std::string sqlstate, const std::string& what, std::string hint)
        : Error(kind, what, std::move(hint)), sqlstate_(std::move(sqlstate)) {}
    const std::string& sqlstate() const { return sqlstate_; }

private:
    std::string sqlstate_;
};

// All rows of a result, as text. Row and column count from 0.
class Result {
public:
    explicit Result(pg_result* result);

    int rows() const;
    bool empty() const { return rows() == 0; }
    bool is_null(int row, int column) const;
    std::string_view text(int row, int column) const;  // empty for NULL
    std::string string(int row, int column) const { return std::string(text(row, column)); }
    std::optional<std::string> optional(int row, int column) const;
    std::int64_t integer(int row, int column) const;  // Throws Error(internal) where there is no integer
    std::uint64_t unsigned_integer(int row, int column) const;
    double number(int row, int column) const;
    bool boolean(int row, int column) const;

private:
    struct Clear {
        void operator()(pg_result* result) const;
    };
    std::unique_ptr<pg_result, Clear> result_;
};

// A parameter of a statement; nullopt is NULL. The server infers its type from the place it stands in.
using Parameter = std::optional<std::string>;

class Connection {
public:
    // `connection_string`: a URI or keywords, as libpq takes them; environment, service and password files count.
    // Throws Error: source_unavailable, source_denied (wrong password, no right to connect), config.
    explicit Connection(const std::string& connection_string);

    // One or several statements without parameters (the simple protocol); the last result is returned.
    Result run(std::string_view sql);

    // One statement with parameters $1, $2 ...
    Result query(const std::string& sql, const std::vector<Parameter>& parameters = {});

    // Starts `COPY ... TO STDOUT (FORMAT binary)`; until the reader is at its end no other statement may run.
    std::unique_ptr<CopyReader> copy_out(const std::string& sql);

    // What the server said about the last statements by RAISE NOTICE or WARNING, oldest first; empties the list.
    std::vector<std::string> take_notices();

    // 150004 for 15.4
    int server_version() const;
    std::string host() const;
    std::string database() const;
    std::string user() const;
    const std::string& connection_string() const { return connection_string_; }

    // Whether the connection is still thought to be good; asks nobody.
    bool alive() const;

    // libpq's handle, for this folder only.
    pg_conn* handle() const { return connection_.get(); }

private:
    Result checked(pg_result* raw) const;

    struct Finish {
        void operator()(pg_conn* connection) const;
    };
    // On the heap: libpq keeps its address for the notices.
    std::unique_ptr<std::vector<std::string>> notices_;
    std::unique_ptr<pg_conn, Finish> connection_;
    std::string connection_string_;
};

// A transaction that rolls back unless `commit` was called.
class Transaction {
public:
    // `mode`: what follows BEGIN, for example "ISOLATION LEVEL REPEATABLE READ, READ ONLY".
    explicit Transaction(Connection& connection, std::string_view mode = {});
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit();

private:
    Connection* connection_;
    bool open_ = true;
};

// The error for the last failure of `connection`; `result` may be null.
SqlError last_error(const Connection& connection, const pg_result* result);

}  // namespace eider::postgres
