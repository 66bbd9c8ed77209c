#include "support/captured_database.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "base/text.h"

namespace eider::test {

Config config_of(const std::string& rules) {
    const std::string text = rules.find("[capture]") == std::string::npos ? "[capture]\ntables = ['*']\n" + rules : rules;
    return parse_config(text, "/nowhere/eider.toml", {}, {}, "/nowhere");
}

CapturedDatabase::CapturedDatabase(const std::string& schema, const std::string& rules)
    : database(fresh_database()), config(config_of(rules)), app(database.uri) {
    app.run(schema);
    postgres::Connection connection(database.uri);
    const auto choice = capture::choose_tables(connection, config);
    capture::install(connection, config);
    const auto report = capture::attach_tables(connection, config, choice);
    if (!report.unattached.empty()) throw std::runtime_error("not attached: " + join(report.unattached, "; "));
}

void CapturedDatabase::install() {
    postgres::Connection connection(database.uri);
    capture::install(connection, config);
}

capture::AttachReport CapturedDatabase::attach(bool all_columns) {
    postgres::Connection connection(database.uri);
    return capture::attach_tables(connection, config, capture::choose_tables(connection, config), all_columns);
}

capture::AttachReport CapturedDatabase::attach(const std::string& rules, bool all_columns) {
    config = config_of(rules);
    return attach(all_columns);
}

std::vector<std::string> CapturedDatabase::events() {
    const auto rows = app.run(fmt::format(
        "SELECT seq, op || ' ' || CASE schema_name WHEN 'public' THEN '' ELSE schema_name || '.' END || table_name"
        " || coalesce(' ' || data, '') || coalesce(' before ' || before, '') || coalesce(' context ' || context, '')"
        " || CASE WHEN nested THEN ' nested' ELSE '' END FROM audit.cdc WHERE seq > {} ORDER BY seq",
        seen_));
    std::vector<std::string> lines;
    for (const auto& row : rows) {
        seen_ = std::stoll(row[0].value());
        lines.push_back(row[1].value_or("an event without a table"));
    }
    return lines;
}

std::vector<std::string> CapturedDatabase::short_events(const std::string& key) {
    const auto rows = app.run(fmt::format("SELECT seq, concat_ws(' ', op, data ->> {}) FROM audit.cdc WHERE seq > {} ORDER BY seq",
                                          quote_literal(key), seen_));
    std::vector<std::string> lines;
    for (const auto& row : rows) {
        seen_ = std::stoll(row[0].value());
        lines.push_back(row[1].value());
    }
    return lines;
}

bool CapturedDatabase::log_mentions(const std::string& text) {
    return app.number(fmt::format("SELECT count(*) FROM audit.cdc AS e WHERE strpos(e::text, {}) > 0", quote_literal(text))) > 0;
}

std::vector<std::string> CapturedDatabase::replay_differences(const std::string& table, const std::vector<std::string>& key) {
    std::vector<std::string> keys;
    for (const auto& column : key) keys.push_back(fmt::format("data ->> {}", quote_literal(column)));
    // T ends everything before it.
    const auto rows = app.run(fmt::format(R"sql(
        WITH log AS (SELECT * FROM audit.cdc AS e WHERE e.rel = {0}::regclass AND op <> 'T' AND seq > coalesce(
                         (SELECT max(seq) FROM audit.cdc WHERE rel = {0}::regclass AND op = 'T'), 0)),
             last AS (SELECT DISTINCT ON ({1}) op, data FROM log ORDER BY {1}, seq DESC),
             replayed AS (SELECT data::jsonb AS row FROM last WHERE op <> 'D'),
             there AS (SELECT to_jsonb(t.*) AS row FROM {2} AS t)
        SELECT 'only in the log: ' || row FROM (SELECT * FROM replayed EXCEPT ALL SELECT * FROM there) AS a
        UNION ALL
        SELECT 'only in the table: ' || row FROM (SELECT * FROM there EXCEPT ALL SELECT * FROM replayed) AS b)sql",
                                          quote_literal(table), join(keys, ", "), table));
    std::vector<std::string> lines;
    for (const auto& row : rows) lines.push_back(row[0].value());
    return lines;
}

std::string CapturedDatabase::uri_as(const std::string& role) const {
    return fmt::format("{} user={}", shared_server().address().socket_string(database.name), role);
}

Client CapturedDatabase::client_as(const std::string& role) const {
    return Client(uri_as(role));
}

std::string error_of(Client& client, const std::string& statement) {
    try {
        client.run(statement);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return {};
}

}  // namespace eider::test
