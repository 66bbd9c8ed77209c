#include "lake/engine.h"

#include <charconv>
#include <cstdlib>
#include <utility>

#include <duckdb.h>
#include <fmt/format.h>

#include "base/text.h"

namespace eider::lake {
namespace {

namespace fs = std::filesystem;

// Owns what the C API calls by a pointer to a handle.
template <typename Handle, void (*destroy)(Handle*)>
class Owned {
public:
    Owned() = default;
    explicit Owned(Handle handle) : handle_(handle) {}
    ~Owned() {
        if (handle_ != nullptr) destroy(&handle_);
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    Handle get() const { return handle_; }
    Handle* out() { return &handle_; }

private:
    Handle handle_ = nullptr;
};

using Config = Owned<duckdb_config, duckdb_destroy_config>;
using Chunk = Owned<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using Prepared = Owned<duckdb_prepared_statement, duckdb_destroy_prepare>;

class Result {
public:
    Result() = default;
    ~Result() { duckdb_destroy_result(&result_); }
    Result(const Result&) = delete;
    Result& operator=(const Result&) = delete;
    duckdb_result* out() { return &result_; }
    duckdb_result& get() { return result_; }

private:
    duckdb_result result_{};
};

bool says(std::string_view message, std::string_view part) {
    return message.find(part) != std::string_view::npos;
}

// DuckDB's C API has no codes for what extensions throw: their words decide. Sources of the words: DuckLake
// d8a1881e (ducklake_initializer.cpp, ducklake_transaction.cpp), DuckDB 1.5.5 (extension_load.cpp).
Error lake_error(std::string_view raw) {
    const std::string message = "DuckDB: " + redact(trim(raw));
    if (says(raw, "Transaction conflict") || says(raw, "database is locked") || says(raw, "Conflict on")) {
        return {ErrorKind::lake_conflict, message,
                "another process wrote to the lake at the same time: run the command again"};
    }
    if (says(raw, "catalog version mismatch") || says(raw, "Only DuckLake versions")) {
        return {ErrorKind::lake_incompatible, message,
                "this lake was written by another DuckLake version: use an eider built for it, or migrate a copy with "
                "DuckDB "
                "(ATTACH ... (AUTOMATIC_MIGRATION true)) first"};
    }
    if (says(raw, "Could not set lock on file") || says(raw, "Conflicting lock")) {
        return {ErrorKind::running, message,
                "another process has the catalog file open: wait for it, or use a PostgreSQL catalog"};
    }
    if (says(raw, "DATA_PATH parameter")) {
        return {ErrorKind::config, message, "data_path must name the folder that the lake was created with"};
    }
    if (says(raw, "creating a new DuckLake is explicitly disabled")) {
        return {ErrorKind::lake_unavailable, "there is no lake in this catalog: " + message,
                "create it first: eider init"};
    }
    if (says(raw, "Schema with name")) {
        return {ErrorKind::lake_unavailable, "the catalog's schema is not there: " + message,
                "create it first: eider init"};
    }
    if (says(raw, "Unable to connect to Postgres") || says(raw, "connection to server") ||
        says(raw, "server closed the connection") || says(raw, "terminating connection") ||
        says(raw, "no connection to the server") || says(raw, "the database system is")) {
        return {ErrorKind::lake_unavailable, message,
                "check that the catalog's server runs; nothing is lost: run the command again"};
    }
    if (says(raw, "No space left") || says(raw, "Permission denied") || says(raw, "Read-only file system") ||
        says(raw, "Cannot open file") || says(raw, "Could not write") || says(raw, "Too many open files") ||
        says(raw, "Failed to create directory")) {
        return {ErrorKind::disk, message, "check space and rights of the data folder and of the temporary folder"};
    }
    if (says(raw, "Out of Memory")) {
        return {ErrorKind::lake_unavailable, message,
                "raise engine.memory_limit, or name an engine.temp_directory with space to spill to"};
    }
    return {ErrorKind::lake_rejected, message, {}};
}

Error extension_error(const std::string& name, std::string_view raw, const fs::path& folder) {
    return {ErrorKind::lake_incompatible,
            fmt::format("the DuckDB extension {} cannot be loaded into DuckDB {} from {}: {}", name, library_version(),
                        folder.empty() ? "DuckDB's own folder" : folder.string(), trim(raw)),
            fmt::format("library and extensions must be of one version: run ./setup again, or let EIDER_EXTENSION_DIR "
                        "name a folder "
                        "with {}/linux_amd64/{}.duckdb_extension",
                        library_version(), name)};
}

std::optional<std::string> cell(duckdb_vector vector, duckdb_type type, idx_t row) {
    uint64_t* validity = duckdb_vector_get_validity(vector);
    if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) return std::nullopt;
    const void* data = duckdb_vector_get_data(vector);
    switch (type) {
        case DUCKDB_TYPE_VARCHAR: {
            duckdb_string_t text = static_cast<const duckdb_string_t*>(data)[row];
            return std::string(duckdb_string_t_data(&text), duckdb_string_t_length(text));
        }
        case DUCKDB_TYPE_BOOLEAN: return static_cast<const bool*>(data)[row] ? "true" : "false";
        case DUCKDB_TYPE_INTEGER: return std::to_string(static_cast<const int32_t*>(data)[row]);
        case DUCKDB_TYPE_BIGINT: return std::to_string(static_cast<const int64_t*>(data)[row]);
        case DUCKDB_TYPE_UBIGINT: return std::to_string(static_cast<const uint64_t*>(data)[row]);
        case DUCKDB_TYPE_DOUBLE: return fmt::format("{}", static_cast<const double*>(data)[row]);
        default:
            throw Error(ErrorKind::internal, fmt::format("a column of DuckDB type {} must be cast in the statement",
                                                         static_cast<int>(type)));
    }
}

Rows all_rows(duckdb_result& result) {
    Rows out;
    std::vector<duckdb_type> types;
    const idx_t columns = duckdb_column_count(&result);
    for (idx_t column = 0; column < columns; ++column) {
        out.columns.emplace_back(duckdb_column_name(&result, column));
        types.push_back(duckdb_column_type(&result, column));
    }
    while (true) {
        const Chunk chunk(duckdb_fetch_chunk(result));
        if (chunk.get() == nullptr) break;
        const idx_t size = duckdb_data_chunk_get_size(chunk.get());
        for (idx_t row = 0; row < size; ++row) {
            auto& cells = out.rows.emplace_back();
            for (idx_t column = 0; column < columns; ++column) {
                cells.push_back(cell(duckdb_data_chunk_get_vector(chunk.get(), column), types[column], row));
            }
        }
    }
    return out;
}

}  // namespace

const std::string& Rows::text(std::size_t row, std::size_t column) const {
    const auto& value = rows.at(row).at(column);
    if (!value) throw Error(ErrorKind::internal, fmt::format("column {} of a result is NULL", columns.at(column)));
    return *value;
}

std::int64_t Rows::integer(std::size_t row, std::size_t column) const {
    const std::string& value = text(row, column);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size()) {
        throw Error(ErrorKind::internal,
                    fmt::format("column {} holds '{}', not an integer", columns.at(column), value));
    }
    return number;
}

struct Engine::Database {
    duckdb_database handle = nullptr;
    Database() = default;
    ~Database() { duckdb_close(&handle); }
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
};

Engine::Engine(const EngineOptions& options, const std::vector<std::string>& extensions)
    : database_(std::make_shared<Database>()) {
    Config config;
    duckdb_create_config(config.out());
    const auto set = [&](const char* name, const std::string& value) {
        if (value.empty()) return;
        if (duckdb_set_config(config.get(), name, value.c_str()) == DuckDBError) {
            throw Error(ErrorKind::config, fmt::format("DuckDB does not take '{}' for {}", value, name),
                        "see [engine] in eider.toml");
        }
    };
    const fs::path folder = extension_directory(options.extension_directory);
    set("extension_directory", folder.string());
    // DuckDB hashes an extension whole to check its signature: 0.28 s of CPU for two of them, against 0.015 s without.
    // Those that came with eider were checked against deps.lock when they were put there, like the library itself.
    if (!folder.empty() && folder == own_extension_directory()) set("allow_unsigned_extensions", "true");
    // What eider runs with is what was installed with it: nothing is fetched behind one's back.
    set("autoinstall_known_extensions", "false");
    set("autoload_known_extensions", "false");
    set("memory_limit", options.memory_limit);
    set("threads", options.threads > 0 ? std::to_string(options.threads) : "");
    set("temp_directory", options.temp_directory.string());
    char* error = nullptr;
    if (duckdb_open_ext(nullptr, &database_->handle, config.get(), &error) == DuckDBError) {
        const std::string message = error == nullptr ? "unknown error" : error;
        duckdb_free(error);
        throw Error(ErrorKind::config, "DuckDB cannot start: " + message, "see [engine] in eider.toml");
    }
    Session session = connect();
    for (const auto& extension : extensions) {
        try {
            session.run("LOAD " + quote_ident(extension));
        } catch (const Error& refused) {
            throw extension_error(extension, refused.what(), folder);
        }
    }
}

Engine::~Engine() = default;

Session Engine::connect() {
    return Session(database_);
}

struct Session::Connection {
    // Keeps the database open as long as a session is.
    std::shared_ptr<Engine::Database> database;
    duckdb_connection handle = nullptr;
    explicit Connection(std::shared_ptr<Engine::Database> of) : database(std::move(of)) {
        if (duckdb_connect(database->handle, &handle) == DuckDBError)
            throw Error(ErrorKind::internal, "DuckDB gives no connection");
    }
    ~Connection() { duckdb_disconnect(&handle); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
};

Session::Session(std::shared_ptr<Engine::Database> database)
    : connection_(std::make_unique<Connection>(std::move(database))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

void Session::run(const std::string& sql) {
    Result result;
    if (duckdb_query(connection_->handle, sql.c_str(), result.out()) == DuckDBError)
        throw lake_error(duckdb_result_error(result.out()));
}

Rows Session::query(const std::string& sql) {
    Result result;
    if (duckdb_query(connection_->handle, sql.c_str(), result.out()) == DuckDBError)
        throw lake_error(duckdb_result_error(result.out()));
    return all_rows(result.get());
}

bool Session::is_query(const std::string& statement) {
    Prepared prepared;
    if (duckdb_prepare(connection_->handle, statement.c_str(), prepared.out()) == DuckDBError) {
        throw lake_error(duckdb_prepare_error(prepared.get()));
    }
    return duckdb_prepared_statement_type(prepared.get()) == DUCKDB_STATEMENT_TYPE_SELECT;
}

void Session::interrupt() {
    duckdb_interrupt(connection_->handle);
}

void* Session::handle() const {
    return connection_->handle;
}

std::string library_version() {
    return duckdb_library_version();
}

fs::path extension_directory(const fs::path& wanted) {
    if (!wanted.empty()) return wanted;
    if (const char* folder = std::getenv("EIDER_EXTENSION_DIR"); folder != nullptr && *folder != '\0') return folder;
    return own_extension_directory();
}

fs::path own_extension_directory() {
    std::error_code ignored;
    const fs::path installed =
        fs::read_symlink("/proc/self/exe", ignored).parent_path().parent_path() / "lib/eider/extensions";
    if (fs::is_directory(installed, ignored)) return installed;
#ifdef EIDER_BUILD_EXTENSION_DIR
    if (fs::is_directory(EIDER_BUILD_EXTENSION_DIR, ignored)) return EIDER_BUILD_EXTENSION_DIR;
#endif
    return {};
}

}  // namespace eider::lake
