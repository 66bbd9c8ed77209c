#include "support/capture.h"

#include <fmt/format.h>

#include "base/text.h"

namespace eider::test {
namespace {

std::vector<std::string> first_column(const std::vector<Client::Row>& rows) {
    std::vector<std::string> column;
    for (const auto& row : rows) column.push_back(row[0].value_or("NULL"));
    return column;
}

}  // namespace

void install_capture(Client& client, const Config& config) {
    client.run("BEGIN; " + capture::install_sql(config, {}) + "; COMMIT");
}

void attach(Client& client, const std::string& table, const std::string& options) {
    client.run(fmt::format("SELECT audit.attach({}, {})", quote_literal(table), quote_literal(options)));
}

std::vector<std::string> events(Client& client) {
    return first_column(client.run(
        "SELECT concat_ws(' ', op, schema_name || '.' || table_name, data, CASE WHEN nested THEN 'nested' END) "
        "FROM audit.cdc ORDER BY seq"));
}

std::vector<std::string> short_events(Client& client, const std::string& key) {
    return first_column(client.run(
        fmt::format("SELECT concat_ws(' ', op, data ->> {}) FROM audit.cdc ORDER BY seq", quote_literal(key))));
}

void forget_events(Client& client) {
    client.run("TRUNCATE audit.cdc_1, audit.cdc_2, audit.cdc_3");
}

std::vector<std::string> replay_differences(Client& client, const std::string& table,
                                            const std::vector<std::string>& key) {
    std::vector<std::string> parts;
    for (const auto& column : key) parts.push_back(fmt::format("data::jsonb -> {}", quote_literal(column)));
    const std::string key_of = "jsonb_build_array(" + join(parts, ", ") + ")";
    return first_column(client.run(fmt::format(R"sql(
        WITH event AS (
            SELECT seq, op, nested, data::jsonb AS data, {1} AS key FROM audit.cdc WHERE rel = {0}::regclass AND op <> 'T'
              AND seq > coalesce((SELECT max(seq) FROM audit.cdc WHERE rel = {0}::regclass AND op = 'T'), 0)
        ), unclear AS (
            SELECT key FROM event WHERE nested
        ), replayed AS (
            SELECT data FROM (SELECT DISTINCT ON (key) op, data, key FROM event ORDER BY key, seq DESC) AS last
            WHERE op <> 'D' AND key NOT IN (SELECT key FROM unclear)
        ), source AS (
            SELECT data FROM (SELECT to_jsonb(t.*) AS data FROM {2} AS t) AS t WHERE {1} NOT IN (SELECT key FROM unclear)
        )
        SELECT 'only in the log: ' || data::text FROM (SELECT data FROM replayed EXCEPT ALL SELECT data FROM source) AS x
        UNION ALL
        SELECT 'only in the table: ' || data::text FROM (SELECT data FROM source EXCEPT ALL SELECT data FROM replayed) AS x)sql",
                                               quote_literal(table), key_of, table)));
}

}  // namespace eider::test
