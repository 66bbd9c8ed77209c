// From the configuration to the two sides.
#pragma once

#include <string>

#include "capture/postgres_source.h"
#include "config/config.h"
#include "lake/ducklake.h"

namespace eider::cli {

// Where the lake is. Its catalog's connection string is the source's, unless another was given.
lake::LakeOptions lake_options(const Config& config);

capture::PostgresSourceOptions source_options(const Config& config);

// Makes the schema that DuckLake expects in a PostgreSQL catalog; nothing for the other catalogs.
void create_catalog_schema(const lake::LakeOptions& options);

}  // namespace eider::cli
