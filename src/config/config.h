// What eider is told: `eider.toml`, the environment and the flags, as one checked struct.
//
// Guarantees: a Config that exists is consistent in itself (known keys, right types, well-formed patterns, absolute
// paths); whether its tables exist is for the source to say. Everything wrong is an Error(config) that names the
// line of the file, the variable or the flag, and never shows a connection string.
// For each key the order is flag, environment, file, default. All keys: settings(), docs/configuration.md.
// Threads: values only; load_config reads the environment that it is given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/pattern.h"

namespace eider {

enum class CatalogKind {
    source,    // the source server itself, in a schema of its own
    postgres,  // another PostgreSQL
    duckdb,    // a DuckDB file
    sqlite,    // a SQLite file
};

struct Catalog {
    CatalogKind kind = CatalogKind::source;
    // postgres: a connection string, URI or keyword form. duckdb, sqlite: the absolute path. source: empty.
    std::string location;
};

enum class Durability {
    unlogged,  // change log without WAL: cheaper, and emptied by a crash of the server (which eider notices)
    logged,
};

// One [[table]] of the file. What a rule does not say stays as the rules before it left it.
struct TableRule {
    TablePattern match;
    std::vector<std::string> exclude;  // columns that never reach the change log
    std::vector<std::string> hash;     // columns of which only a keyed hash does
    std::optional<std::string> where;  // SQL over the row's columns: only such rows
    std::optional<bool> before;        // record the row before an update, too
    std::optional<bool> context;       // record session user, application name and eider.context
    std::optional<bool> mirror;        // keep a mirror in the lake
    std::optional<bool> always;        // fire under session_replication_role = replica, too
    std::string origin;                // "eider.toml:12", for messages
};

// What all rules together say about one table, see Config::options_for.
struct TableOptions {
    std::vector<std::string> exclude;
    std::vector<std::string> hash;
    std::string where;
    bool before = false;
    bool context = false;
    bool always = false;
    // Where `exclude`, `hash` and `where` came from, for messages about a column that is not there.
    std::vector<std::string> origins;

    // Whether nothing is asked for: such a table is served by the one shared capture function.
    bool is_plain() const { return exclude.empty() && hash.empty() && where.empty() && !before && !context; }
};

struct Config {
    // Connection string of the source, URI or keyword form; empty if nobody said. See required_source().
    std::string source;
    // Name under which this eider confirms its cursor on the source.
    std::string consumer = "default";

    struct Lake {
        Catalog catalog;
        std::string catalog_schema = "eider_lake";  // for a catalog in PostgreSQL
        bool mirror = true;                         // keep a mirror of each table with a key
        std::string data_path;                      // absolute folder, or a URL such as s3://bucket/prefix
    } lake;

    struct Capture {
        std::vector<TablePattern> tables;
        std::vector<TablePattern> exclude;
        Durability durability = Durability::unlogged;
        std::string owner = "eider_owner";
        std::string role = "eider";
        bool attach_new = true;              // attach tables that appear later at the next sync
        std::int64_t lock_timeout_ms = 500;  // how long installing a trigger may make writers wait, per try
    } capture;

    struct Engine {
        std::string memory_limit = "512MB";         // of DuckDB
        std::int64_t threads = 0;                   // of DuckDB; 0: as many as cores
        std::int64_t copy_streams = 0;              // connections that read one batch; 0: eider decides
        std::filesystem::path temp_directory;       // where DuckDB spills; empty: the system's
        std::filesystem::path extension_directory;  // empty: the one eider was installed with
    } engine;

    struct Sync {
        std::int64_t rotate_min_rows = 10'000;  // a slot with fewer rows is not worth a rotation
    } sync;

    std::vector<TableRule> rules;  // in the order of the file

    // The file that was read; empty if there was none.
    std::filesystem::path file;
    // Things that are probably mistakes but stop nothing, for the log.
    std::vector<std::string> warnings;

    // Whether a table is one to capture: matched by `tables`, not by `exclude`, and neither a system table nor
    // eider's own.
    bool captures(std::string_view schema, std::string_view table) const;

    // Whether a table is to have a mirror in the lake, if it can.
    bool mirrors(std::string_view schema, std::string_view table) const;

    // Whether any may have.
    bool keeps_mirrors() const;

    // All rules that match, from the first to the last. `where`, `before`, `context`, `always`: the last one that
    // says something wins, so general rules stand first. `exclude` and `hash` add up, and excluded wins over
    // hashed: a narrower rule must not bring a secret back by accident.
    TableOptions options_for(std::string_view schema, std::string_view table) const;

    // The source, or Error(config) with a hint on how to give one.
    const std::string& required_source() const;
};

// Schemas that are never captured: PostgreSQL's own and eider's `audit`.
bool is_system_schema(std::string_view schema);

// --- Reading -------------------------------------------------------------------------------------------------------

using Environment = std::map<std::string, std::string>;

struct FlagValue {
    std::string flag;   // "--source", for messages
    std::string key;    // "source", "lake.catalog": a key of settings()
    std::string value;  // in the form in which the environment gives it
};

// The environment of this process, only what begins with EIDER_.
Environment eider_environment();

// Reads one configuration from its parts. `text` is the file's, `file` its path: it gives its name to messages and
// its folder to relative paths in the file; relative paths elsewhere are relative to `working_folder`.
// Without a file pass an empty path and an empty text.
Config parse_config(std::string_view text, const std::filesystem::path& file, const Environment& environment,
                    const std::vector<FlagValue>& flags, const std::filesystem::path& working_folder);

// The same with the file read from disk. A missing file is an error if `file_must_exist` (the user named it).
// Warns of a file that holds a password and that others may read.
Config load_config(const std::filesystem::path& file, bool file_must_exist, const Environment& environment,
                   const std::vector<FlagValue>& flags);

// --- The keys ------------------------------------------------------------------------------------------------------

// One key of the configuration. [[table]] rules are `table` here.
struct SettingInfo {
    std::string_view section;        // "" for the top level
    std::string_view name;           // "memory_limit"
    std::string_view env;            // "EIDER_MEMORY_LIMIT"
    std::string_view type;           // "text", "list", "number", "true or false" ...
    std::string_view default_value;  // as written in the file; "" if there is none
    std::string_view description;
};

std::span<const SettingInfo> settings();

// The table of all keys in Markdown, as docs/configuration.md shows it (a test compares them).
std::string settings_as_markdown();

// --- Writing -------------------------------------------------------------------------------------------------------

// What `eider init` was given and writes down. Empty: left out, that is, shown as a comment with the default.
struct NewConfig {
    std::string source;
    std::string catalog;
    std::string data_path;
    std::vector<std::string> tables;
};

// The text of a commented eider.toml; parse_config reads it back.
std::string config_file_text(const NewConfig& values);

// Writes that text to `file`. Returns false, and leaves it alone, if there is one already. A file with a password in
// it is readable by its owner only (0600), from its first byte on. Throws Error(disk).
bool write_config_file(const std::filesystem::path& file, const NewConfig& values);

// Whether a connection string holds a password.
bool has_password(std::string_view connection_string);

}  // namespace eider
