// DuckDB: the engine, its sessions and the results of their statements.
//
// Guarantees: no network, no automatic download of extensions; every failure is an Error without secrets. With
// feed.cpp the only place that includes duckdb.h.
// Threads: an Engine may be shared; a Session belongs to one thread at a time, but for `interrupt`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace eider::lake {

struct EngineOptions {
    std::string memory_limit;                   // as DuckDB writes it: "512MB"; empty: DuckDB's default
    int threads = 0;                            // 0: one a core
    std::filesystem::path temp_directory;       // empty: DuckDB's default
    std::filesystem::path extension_directory;  // empty: found beside the program, see extension_directory()
};

// All rows of a result. Cells are text as DuckDB's cast to VARCHAR writes it; nullopt is NULL.
struct Rows {
    std::vector<std::string> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;

    bool empty() const { return rows.empty(); }
    const std::string& text(std::size_t row, std::size_t column) const;  // Throws Error(internal) for NULL
    std::int64_t integer(std::size_t row, std::size_t column) const;
};

class Session;

class Engine {
public:
    // Loads `extensions` ("ducklake", "postgres_scanner" ...).
    // Throws Error(lake_incompatible) when library and extensions do not belong together or one is missing.
    Engine(const EngineOptions& options, const std::vector<std::string>& extensions);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    Session connect();

private:
    friend class Session;
    struct Database;
    std::shared_ptr<Database> database_;
};

class Session {
public:
    explicit Session(std::shared_ptr<Engine::Database> database);
    ~Session();
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;

    // Runs one or several statements; nothing is returned.
    void run(const std::string& sql);

    // Runs one statement and returns its rows. Types other than VARCHAR, BOOLEAN, BIGINT, UBIGINT, INTEGER and
    // DOUBLE must be cast in the statement: Throws Error(internal) otherwise.
    Rows query(const std::string& sql);

    // Whether `statement` is one query whose result can stand in a FROM clause.
    // Throws Error(lake_rejected) when it does not parse or is more than one statement.
    bool is_query(const std::string& statement);

    // Ends the running statement of this session; may be called from another thread.
    void interrupt();

    // duckdb_connection, for this folder only.
    void* handle() const;

private:
    struct Connection;
    std::unique_ptr<Connection> connection_;
};

// "v1.5.5", of the library that is loaded now.
std::string library_version();

// The folder that holds v<version>/<platform>/<name>.duckdb_extension. Order: `wanted`, EIDER_EXTENSION_DIR,
// ../lib/eider/extensions beside the program, the folder of the build tree, else DuckDB's own (~/.duckdb).
std::filesystem::path extension_directory(const std::filesystem::path& wanted);

// The folder of the extensions that came with eider; empty if there is none.
std::filesystem::path own_extension_directory();

}  // namespace eider::lake
