#include "config/settings.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace eider {
namespace {

using C = Config;
using V = Value;

const std::array table{
    Setting{{"", "source", "EIDER_SOURCE", "text", "",
             "connection string of the source, as a URI or in libpq's keywords; `PGPASSFILE` and service files work"},
            [](C& c, const V& v) { c.source = v.connection_string(); }},
    Setting{{"", "consumer", "EIDER_CONSUMER", "text", "\"default\"",
             "name under which this eider confirms its cursor; one for each lake that is fed from the source"},
            [](C& c, const V& v) { c.consumer = v.role_name(); }},
    Setting{{"lake", "catalog", "EIDER_CATALOG", "text", "\"source\"",
             "`source`: the source server, in a schema of its own; else a PostgreSQL connection string, `sqlite:FILE`, "
             "`duckdb:FILE`, or a file that ends in `.ducklake`, `.duckdb` or `.db`"},
            [](C& c, const V& v) { c.lake.catalog = v.catalog(); }},
    Setting{{"lake", "catalog_schema", "EIDER_CATALOG_SCHEMA", "text", "\"eider_lake\"",
             "schema of a catalog that lies in PostgreSQL"},
            [](C& c, const V& v) { c.lake.catalog_schema = v.role_name(); }},
    Setting{{"lake", "data_path", "EIDER_DATA_PATH", "text", "\"./lake\"",
             "folder of the Parquet files, or a URL such as `s3://bucket/prefix`"},
            [](C& c, const V& v) { c.lake.data_path = v.folder_or_url(); }},
    Setting{
        {"lake", "mirror", "EIDER_MIRROR", "true or false", "true",
         "keep each captured table that has a key as a table of the lake, too; `[[table]]` rules may say otherwise"},
        [](C& c, const V& v) { c.lake.mirror = v.boolean(); }},
    Setting{{"capture", "tables", "EIDER_TABLES", "list", "[\"*.*\"]",
             "patterns of the tables to capture; system schemas are never among them"},
            [](C& c, const V& v) { c.capture.tables = v.patterns(); }},
    Setting{{"capture", "exclude", "EIDER_EXCLUDE", "list", "[]", "patterns of tables to leave out of those"},
            [](C& c, const V& v) { c.capture.exclude = v.patterns(); }},
    Setting{{"capture", "durability", "EIDER_DURABILITY", "text", "\"unlogged\"",
             "`unlogged`: the change log costs no WAL and is empty after a crash of the server, which eider notices "
             "and repairs; `logged`: it survives"},
            [](C& c, const V& v) { c.capture.durability = v.durability(); }},
    Setting{{"capture", "owner", "EIDER_OWNER", "text", "\"eider_owner\"",
             "role that owns the schema `audit`; it cannot log in and owns nothing else"},
            [](C& c, const V& v) { c.capture.owner = v.role_name(); }},
    Setting{
        {"capture", "role", "EIDER_ROLE", "text", "\"eider\"", "role that may read, rotate and release the change log"},
        [](C& c, const V& v) { c.capture.role = v.role_name(); }},
    Setting{{"capture", "attach_new", "EIDER_ATTACH_NEW", "true or false", "true",
             "attach tables that appear later, at the next sync"},
            [](C& c, const V& v) { c.capture.attach_new = v.boolean(); }},
    Setting{{"capture", "lock_timeout_ms", "EIDER_LOCK_TIMEOUT_MS", "number", "500",
             "how long, per try, attaching a table may make its writers wait"},
            [](C& c, const V& v) { c.capture.lock_timeout_ms = v.integer(1, 600'000); }},
    Setting{{"engine", "memory_limit", "EIDER_MEMORY_LIMIT", "text", "\"512MB\"",
             "memory of DuckDB; beyond it a batch spills to disk"},
            [](C& c, const V& v) { c.engine.memory_limit = v.memory_size(); }},
    Setting{{"engine", "threads", "EIDER_THREADS", "number", "0", "threads of DuckDB; 0: as many as cores"},
            [](C& c, const V& v) { c.engine.threads = v.integer(0, 1024); }},
    Setting{{"engine", "copy_streams", "EIDER_COPY_STREAMS", "number", "0",
             "connections that read one batch; 0: more than one when it pays"},
            [](C& c, const V& v) { c.engine.copy_streams = v.integer(0, 64); }},
    Setting{{"engine", "temp_directory", "EIDER_TEMP_DIRECTORY", "text", "\"\"",
             "folder in which DuckDB spills; empty: the system's folder for temporary files"},
            [](C& c, const V& v) { c.engine.temp_directory = v.path(); }},
    Setting{{"engine", "extension_directory", "EIDER_EXTENSION_DIR", "text", "\"\"",
             "folder of DuckDB's extensions; empty: the one eider was installed with"},
            [](C& c, const V& v) { c.engine.extension_directory = v.path(); }},
    Setting{{"sync", "rotate_min_rows", "EIDER_ROTATE_MIN_ROWS", "number", "10000",
             "a slot of the change log with fewer rows is not worth a rotation"},
            [](C& c, const V& v) { c.sync.rotate_min_rows = v.integer(0, 1'000'000'000'000); }},
    Setting{{"", "table", "EIDER_TABLE_RULES", "rules", "[]",
             "rules for single tables, see below; in the environment as `[{match = \"shop.*\", before = true}]`"},
            nullptr},
};

}  // namespace

std::string Setting::key() const {
    return info.section.empty() ? std::string(info.name) : fmt::format("{}.{}", info.section, info.name);
}

std::span<const Setting> setting_table() {
    return table;
}

const Setting* find_setting(std::string_view key) {
    const auto found = std::find_if(table.begin(), table.end(), [&](const Setting& s) { return s.key() == key; });
    return found == table.end() ? nullptr : &*found;
}

std::span<const SettingInfo> settings() {
    static const auto infos = [] {
        std::array<SettingInfo, table.size()> out;
        std::transform(table.begin(), table.end(), out.begin(), [](const Setting& s) { return s.info; });
        return out;
    }();
    return infos;
}

std::string settings_as_markdown() {
    std::string out = "| key | environment | type | default | what it is |\n|---|---|---|---|---|\n";
    for (const auto& setting : table) {
        const auto& info = setting.info;
        out += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", setting.key(), info.env, info.type,
                           info.default_value.empty() ? "" : fmt::format("`{}`", info.default_value), info.description);
    }
    return out;
}

}  // namespace eider
