#include "postgres/connection.h"

#include <charconv>
#include <climits>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/text.h"
#include "postgres/copy_reader.h"

namespace eider::postgres {
namespace {

// Every session looks the same, whatever the server, database or role has set.
constexpr const char* session_settings =
    "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET search_path = pg_catalog, pg_temp;"
    "SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 3;"
    "SET bytea_output = 'hex'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    "SET lock_timeout = 0; SET client_min_messages = 'notice'";

std::string message_of(const char* text) {
    return std::string(trim(text == nullptr ? "" : text));
}

void keep_notice(void* list, const pg_result* result) {
    const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (text != nullptr) static_cast<std::vector<std::string>*>(list)->emplace_back(text);
}

ErrorKind kind_of_sqlstate(std::string_view state, bool alive) {
    if (!alive || state.starts_with("08") || state.starts_with("57P")) return ErrorKind::source_lost;
    if (state.starts_with("28") || state == "42501") return ErrorKind::source_denied;
    if (state == "55P03" || state == "40P01" || state == "40001") return ErrorKind::source_busy;
    if (state.starts_with("53")) return ErrorKind::source_unavailable;
    if (state == "22021" || state == "22P05") return ErrorKind::unrepresentable;  // bytes that are no UTF-8
    return ErrorKind::source_rejected;
}

std::string hint_for(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::source_lost: return "nothing is lost: run the command again when the server is back";
        case ErrorKind::source_denied:
            return "grant the right, or connect as a role that has it (eider doctor lists what is needed)";
        case ErrorKind::source_busy: return "another session holds a lock: try again";
        case ErrorKind::unrepresentable:
            return "text in the database is not UTF-8: its encoding is SQL_ASCII or its data is damaged; convert it, "
                   "or exclude the column";
        case ErrorKind::source_unavailable:
            return "the server is short of a resource (connections, disk, memory): see its log";
        default: return {};
    }
}

bool libpq_reads(const std::string& connection_string) {
    PQconninfoOption* options = PQconninfoParse(connection_string.c_str(), nullptr);
    PQconninfoFree(options);
    return options != nullptr;
}

std::string with_masked_quotes(std::string_view message) {
    auto parts = split(message, '"');
    for (std::size_t i = 1; i < parts.size(); i += 2) parts[i] = "***";
    return join(parts, "\"");
}

// What went wrong, without a password. Before libpq talks to a server it quotes what of the string it did not
// understand, and that may be a password with an @, / or % that nobody encoded, or with a space that nobody quoted.
std::string connect_message(const std::string& message, const std::string& connection_string) {
    const std::string shown = redact(connection_string);
    if (shown == connection_string || message.starts_with("connection to server")) {
        return fmt::format("cannot connect to {}: {}", shown, redact(message));
    }
    const std::string masked = with_masked_quotes(message);
    if (!libpq_reads(connection_string)) return fmt::format("cannot read the connection string: {}", masked);
    return fmt::format("cannot connect to {}: {}", shown, masked);
}

// libpq gives no SQLSTATE for a connection that never came about, only the server's text.
Error connect_error(const pg_conn* connection, const std::string& connection_string) {
    const std::string message = message_of(PQerrorMessage(connection));
    const std::string what = connect_message(message, connection_string);
    const auto says = [&](std::string_view part) { return message.find(part) != std::string::npos; };
    if (says("authentication failed") || says("no password supplied") || says("no pg_hba.conf entry") ||
        says("permission denied")) {
        return {ErrorKind::source_denied, what,
                "check user and password (PGPASSWORD, PGPASSFILE or the connection string) and pg_hba.conf"};
    }
    if (says("invalid connection option") || says("invalid URI") || says("missing \"=\"") || says("invalid port") ||
        says("invalid integer value") || says("percent-encoded") || says("unterminated quoted string") ||
        says("does not exist") || says("definition of service")) {
        return {ErrorKind::config, what,
                "check the connection string: postgresql://user@host:5432/database; in a password percent-encode what "
                "is no letter or digit"};
    }
    return {ErrorKind::source_unavailable, what, "check that the server runs and that host and port are right"};
}

template <typename Number>
Number parse(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw Error(ErrorKind::internal, fmt::format("a number was expected from PostgreSQL, not '{}'", text));
    }
    return number;
}

}  // namespace

void Result::Clear::operator()(pg_result* result) const {
    PQclear(result);
}

Result::Result(pg_result* result) : result_(result) {}

int Result::rows() const {
    return PQntuples(result_.get());
}

bool Result::is_null(int row, int column) const {
    return PQgetisnull(result_.get(), row, column) != 0;
}

std::string_view Result::text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::optional<std::string> Result::optional(int row, int column) const {
    if (is_null(row, column)) return std::nullopt;
    return string(row, column);
}

std::int64_t Result::integer(int row, int column) const {
    return parse<std::int64_t>(text(row, column));
}

std::uint64_t Result::unsigned_integer(int row, int column) const {
    return parse<std::uint64_t>(text(row, column));
}

double Result::number(int row, int column) const {
    return parse<double>(text(row, column));
}

bool Result::boolean(int row, int column) const {
    return text(row, column) == "t";
}

void Connection::Finish::operator()(pg_conn* connection) const {
    PQfinish(connection);
}

Connection::Connection(const std::string& connection_string)
    : notices_(std::make_unique<std::vector<std::string>>()), connection_string_(connection_string) {
    // The user's string comes last: what stands in it wins. expand_dbname: a whole connection string in "dbname".
    const char* keywords[] = {"connect_timeout", "keepalives_idle", "fallback_application_name", "dbname", nullptr};
    const char* values[] = {"10", "30", "eider", connection_string_.c_str(), nullptr};
    connection_.reset(PQconnectdbParams(keywords, values, 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) throw connect_error(connection_.get(), connection_string_);
    PQsetNoticeReceiver(connection_.get(), keep_notice, notices_.get());
    run(session_settings);
}

Result Connection::run(std::string_view sql) {
    return checked(PQexec(connection_.get(), std::string(sql).c_str()));
}

Result Connection::query(const std::string& sql, const std::vector<Parameter>& parameters) {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
    return checked(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                                nullptr, nullptr, 0));
}

Result Connection::checked(pg_result* raw) const {
    Result result(raw);
    const ExecStatusType status = PQresultStatus(raw);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        throw last_error(*this, raw);
    return result;
}

std::unique_ptr<CopyReader> Connection::copy_out(const std::string& sql) {
    pg_result* raw = PQexec(connection_.get(), sql.c_str());
    const Result result(raw);
    if (PQresultStatus(raw) != PGRES_COPY_OUT) throw last_error(*this, raw);
    return std::make_unique<CopyReader>(*this);
}

std::vector<std::string> Connection::take_notices() {
    return std::exchange(*notices_, {});
}

int Connection::server_version() const {
    return PQserverVersion(connection_.get());
}

std::string Connection::host() const {
    return message_of(PQhost(connection_.get()));
}

std::string Connection::database() const {
    return message_of(PQdb(connection_.get()));
}

std::string Connection::user() const {
    return message_of(PQuser(connection_.get()));
}

bool Connection::alive() const {
    return PQstatus(connection_.get()) == CONNECTION_OK;
}

SqlError last_error(const Connection& connection, const pg_result* result) {
    const auto field = [&](int code) {
        return message_of(result == nullptr ? nullptr : PQresultErrorField(result, code));
    };
    const std::string state = field(PG_DIAG_SQLSTATE);
    const ErrorKind kind = kind_of_sqlstate(state, connection.alive() && !state.empty());
    std::string what = field(PG_DIAG_MESSAGE_PRIMARY);
    if (what.empty()) what = message_of(PQerrorMessage(connection.handle()));
    if (const std::string detail = field(PG_DIAG_MESSAGE_DETAIL); !detail.empty()) what += fmt::format(" ({})", detail);
    const std::string hint = field(PG_DIAG_MESSAGE_HINT);
    return {kind, state, "PostgreSQL: " + redact(what), hint.empty() ? hint_for(kind) : hint};
}

Transaction::Transaction(Connection& connection, std::string_view mode) : connection_(&connection) {
    connection_->run(fmt::format("BEGIN {}", mode));
}

Transaction::~Transaction() {
    if (!open_) return;
    try {
        connection_->run("ROLLBACK");
    } catch (const Error&) {
        // The connection is gone, and the transaction with it.
    }
}

void Transaction::commit() {
    open_ = false;
    connection_->run("COMMIT");
}

}  // namespace eider::postgres
