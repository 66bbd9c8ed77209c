#include "cli/wiring.h"

#include "base/text.h"
#include "postgres/connection.h"

namespace eider::cli {
namespace {

lake::CatalogKind kind_of(CatalogKind kind) {
    switch (kind) {
        case CatalogKind::duckdb: return lake::CatalogKind::duckdb;
        case CatalogKind::sqlite: return lake::CatalogKind::sqlite;
        case CatalogKind::source:
        case CatalogKind::postgres: return lake::CatalogKind::postgres;
    }
    return lake::CatalogKind::postgres;
}

}  // namespace

lake::LakeOptions lake_options(const Config& config) {
    const auto& catalog = config.lake.catalog;
    return {.catalog = kind_of(catalog.kind),
            .location = catalog.kind == CatalogKind::source ? config.required_source() : catalog.location,
            .catalog_schema = config.lake.catalog_schema,
            .data_path = config.lake.data_path,
            .engine = {.memory_limit = config.engine.memory_limit,
                       .threads = static_cast<int>(config.engine.threads),
                       .temp_directory = config.engine.temp_directory,
                       .extension_directory = config.engine.extension_directory}};
}

capture::PostgresSourceOptions source_options(const Config& config) {
    return {.connection_string = config.required_source(),
            .copy_streams = static_cast<int>(config.engine.copy_streams),
            .rotate_min_rows = config.sync.rotate_min_rows};
}

void create_catalog_schema(const lake::LakeOptions& options) {
    if (options.catalog != lake::CatalogKind::postgres) return;
    postgres::Connection connection(options.location);
    // Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create also where there is nothing to create.
    const auto there = connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", {options.catalog_schema});
    if (there.empty()) connection.run("CREATE SCHEMA " + quote_ident(options.catalog_schema));
}

}  // namespace eider::cli
