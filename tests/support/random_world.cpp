#include "support/random_world.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace eider::test {
namespace {

// Nobody waits for another here: all sessions are one thread.
constexpr const char* session_settings = "SET search_path = w, public; SET lock_timeout = '5ms'";

std::string last_of(const std::vector<std::string>& history) {
    const auto first = history.size() - std::min<std::size_t>(history.size(), 400);
    return join({history.begin() + static_cast<std::ptrdiff_t>(first), history.end()}, "\n");
}

}  // namespace

RandomWorld::RandomWorld(unsigned seed) : random_(seed) {
    mirrored_.run("CREATE EXTENSION citext; CREATE SCHEMA w");
    mirrored_.run(session_settings);
    mirrored_.init();
    for (int i = 0; i < 3; ++i) {
        sessions_.push_back({Client(mirrored_.pipeline.source.uri)});
        sessions_.back().client.run(session_settings);
    }
    for (int i = 0; i < 3; ++i) create_table();
    mirrored_.sync();  // attached before the first row, so that the log is whole
}

RandomWorld::Column RandomWorld::random_column() {
    static const std::vector<std::string> types{"int",         "bigint",           "text",  "numeric(10,2)", "boolean",
                                                "timestamptz", "double precision", "int[]", "jsonb",         "bytea",
                                                "date"};
    return {fmt::format("c{}", ++names_made_), types[static_cast<std::size_t>(below(static_cast<int>(types.size())))]};
}

void RandomWorld::create_table() {
    static const std::vector<std::string> key_types{"int", "text", "numeric", "citext", "date", "double precision"};
    Table table{.name = fmt::format("t{}", ++tables_made_), .key_type = key_types[static_cast<std::size_t>(below(6))]};
    std::string columns = fmt::format("id {}, touched int DEFAULT 0", table.key_type);
    for (int i = below(4); i >= 0; --i) {
        table.columns.push_back(random_column());
        columns += ", " + table.columns.back().name + " " + table.columns.back().type;
    }
    const int kind = below(6);
    table.is_partitioned = kind == 0;
    table.has_parent = kind == 1;
    table.is_deferrable = kind == 2 || kind == 3;
    table.has_trigger = one_in(3);
    if (table.has_parent)
        columns += fmt::format(", parent {} REFERENCES {} ON UPDATE CASCADE ON DELETE {}", table.key_type, table.name,
                               one_in(2) ? "CASCADE" : "SET NULL");
    std::string sql = fmt::format("CREATE TABLE {} ({}, PRIMARY KEY (id){})", table.name, columns,
                                  table.is_deferrable ? " DEFERRABLE" : "");
    if (table.is_partitioned) {
        sql += fmt::format(
            " PARTITION BY HASH (id); CREATE TABLE {0}_a PARTITION OF {0} FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
            "CREATE TABLE {0}_b PARTITION OF {0} FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
            table.name);
    }
    if (table.has_trigger) {
        sql += fmt::format(
            "; CREATE FUNCTION touch_{0}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "EXECUTE format('UPDATE %I.%I SET touched = touched + 1 WHERE id = $1.id', tg_table_schema, tg_table_name) "
            "USING new; RETURN NULL; END $$;"
            "CREATE TRIGGER touch AFTER INSERT OR UPDATE ON {0} FOR EACH ROW WHEN (pg_trigger_depth() < 1) EXECUTE "
            "FUNCTION touch_{0}()",
            table.name);
    }
    history_.push_back(sql);
    mirrored_.run(sql);
    tables_.push_back(table);
}

// Of some types equal ones that are not identical.
std::string RandomWorld::key_literal(const Table& table, int n) {
    if (table.key_type == "text") return fmt::format("'k{}'", n);
    if (table.key_type == "citext") return fmt::format("'{}{}'", one_in(2) ? "K" : "k", n);
    if (table.key_type == "numeric") return fmt::format("{}{}", n, one_in(2) ? ".0" : one_in(2) ? ".00" : "");
    if (table.key_type == "date") return n == 0 ? "'infinity'" : fmt::format("date '2026-03-01' + {}", n);
    if (table.key_type == "double precision") return n == 0 ? "'NaN'" : n == 1 ? "'-Infinity'" : fmt::format("{}.1", n);
    return std::to_string(n);
}

std::string RandomWorld::value_literal(const std::string& type) {
    const int n = below(1000);
    if (one_in(6)) return "NULL";
    if (type == "text") return one_in(4) ? "''" : fmt::format("'it''s {} ü \\'", n);
    if (type == "boolean") return n % 2 == 0 ? "true" : "false";
    if (type == "timestamptz")
        return one_in(8) ? "'infinity'"
                         : fmt::format("'2026-03-01 12:00:00+01'::timestamptz + interval '{} seconds'", n);
    if (type == "date") return fmt::format("date '2026-03-01' + {}", n);
    if (type == "int[]") return n % 3 == 0 ? "'{}'" : fmt::format("ARRAY[{}, NULL, {}]", n, -n);
    if (type == "jsonb") return fmt::format("'{{\"a\": [{}, \"x\"]}}'", n);
    if (type == "bytea") return fmt::format("'\\x00{:04}'", n);
    if (type == "double precision") return one_in(8) ? "'NaN'" : fmt::format("{} / 7.0", n);
    if (type == "numeric(10,2)") return fmt::format("{} / 100.0", n);
    return std::to_string(n - 500);
}

std::string RandomWorld::columns_and_values(const Table& table, const std::string& key) {
    std::vector<std::string> names{table.key};
    std::vector<std::string> values{key};
    for (const auto& column : table.columns) {
        names.push_back(column.name);
        values.push_back(value_literal(column.type));
    }
    return fmt::format("INTO {} ({}) VALUES ({})", table.name, join(names, ", "), join(values, ", "));
}

std::string RandomWorld::statement(Table& table) {
    const std::string& t = table.name;
    const std::string& id = table.key;
    const std::string set = table.columns.empty() ? "touched = touched + 1"
                                                  : fmt::format("{} = {}", table.columns.back().name,
                                                                value_literal(table.columns.back().type));
    const std::string some =
        one_in(3) ? "true" : fmt::format("{0} >= {1} AND {0} <= {2}", id, random_key(table), random_key(table));
    switch (below(17)) {
        case 0:
        case 1:
        case 2: return "INSERT " + columns_and_values(table, random_key(table)) + " ON CONFLICT DO NOTHING";
        case 3: {
            std::string sql;
            for (int n = 0; n < 12; ++n)
                sql += "INSERT " + columns_and_values(table, key_literal(table, n)) + " ON CONFLICT DO NOTHING;";
            return sql;
        }
        case 4:
            if (table.is_deferrable) return fmt::format("UPDATE {} SET {}", t, set);
            return "INSERT " + columns_and_values(table, random_key(table)) +
                   fmt::format(" ON CONFLICT ({}) DO UPDATE SET {} = excluded.{}, touched = 7", id, id, id);
        case 5:
        case 6: return fmt::format("UPDATE {} SET {} WHERE {}", t, set, some);
        case 7:
        case 8:
            return fmt::format("UPDATE {} SET {} = {}, touched = touched + 1 WHERE {} = {}", t, id, random_key(table),
                               id, random_key(table));
        case 9:
            if (table.key_type == "int")
                return fmt::format("UPDATE {} SET {} = {} {}", t, id, id, table.is_deferrable ? "+ 1" : "+ 1000");
            if (table.key_type == "citext")
                return fmt::format(
                    "UPDATE {0} SET {1} = CASE WHEN {1}::text = upper({1}::text) THEN lower({1}::text) ELSE "
                    "upper({1}::text) END",
                    t, id);
            if (table.key_type == "numeric") return fmt::format("UPDATE {0} SET {1} = {1} * 1.0", t, id);
            return fmt::format("UPDATE {} SET touched = -touched", t);
        case 10:
            if (table.is_deferrable) {
                const std::string a = random_key(table);
                const std::string b = random_key(table);
                return fmt::format(
                    "UPDATE {0} SET {1} = CASE WHEN {1} = {2} THEN {3} ELSE {2} END WHERE {1} IN ({2}, {3})", t, id, a,
                    b);
            }
            return fmt::format("DELETE FROM {} WHERE {} = {}", t, id, random_key(table));
        case 11: return fmt::format("DELETE FROM {} WHERE {}", t, some);
        case 12: {
            const std::string key = random_key(table);
            return fmt::format("DELETE FROM {} WHERE {} = {}; INSERT ", t, id, key) + columns_and_values(table, key);
        }
        case 13:
            return fmt::format(
                "WITH gone AS (DELETE FROM {0} WHERE {1} = {2} RETURNING *) INSERT INTO {0} ({1}, touched) SELECT {1}, "
                "touched + 100 FROM gone",
                t, id, random_key(table));
        case 14:
            return fmt::format(
                "MERGE INTO {0} USING (VALUES ({2}, 1), ({3}, 2)) AS s (k, n) ON {0}.{1} = s.k "
                "WHEN MATCHED AND s.n = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET touched = 50 WHEN NOT MATCHED AND "
                "s.n = 2 THEN INSERT ({1}, touched) VALUES ({2}, s.n)",
                t, id, random_key(table), one_in(3) ? random_key(table) : key_literal(table, 99));
        case 15:
            if (table.has_parent)
                return fmt::format("UPDATE {} SET parent = (SELECT {} FROM {} ORDER BY random() LIMIT 1) WHERE {}", t,
                                   id, t, some);
            return fmt::format("DELETE FROM {} WHERE {} = {}", t, id, random_key(table));
        default: return one_in(4) ? "TRUNCATE " + t : fmt::format("UPDATE {} SET touched = touched + 1", t);
    }
}

// False: the statement failed, and with it the session's transaction.
bool RandomWorld::tell(Session& session, const std::string& sql) {
    const auto number = &session - sessions_.data();
    try {
        session.client.run(sql);
        history_.push_back(fmt::format("{}: {}", number, sql));
        return true;
    } catch (const std::runtime_error&) {
        // A key that is taken, a lock: as an application would meet them.
        history_.push_back(fmt::format("{}: -- failed: {}", number, sql));
        session.client.run("ROLLBACK");
        session.is_open = false;
        return false;
    }
}

void RandomWorld::end(Session& session) {
    if (!session.is_open) return;
    if (tell(session, one_in(5) ? "ROLLBACK" : "COMMIT")) session.is_open = false;
}

void RandomWorld::end_all() {
    for (auto& session : sessions_) end(session);
}

void RandomWorld::work() {
    Session& session = sessions_[static_cast<std::size_t>(below(3))];
    if (!session.is_open) {
        tell(session, "BEGIN");
        session.is_open = true;
        session.savepoints = 0;
    }
    switch (below(10)) {
        case 0:
            if (tell(session, fmt::format("SAVEPOINT s{}", session.savepoints))) ++session.savepoints;
            break;
        case 1:
            if (session.savepoints > 0) tell(session, fmt::format("ROLLBACK TO s{}", --session.savepoints));
            break;
        case 2:
        case 3: end(session); break;
        default: {
            Table& table = tables_[static_cast<std::size_t>(below(static_cast<int>(tables_.size())))];
            const std::string sql = statement(table);
            // What locks a table against readers must be over before eider reads it.
            if (tell(session, sql) && sql.starts_with("TRUNCATE")) {
                if (one_in(2)) tell(session, "INSERT " + columns_and_values(table, random_key(table)));
                end(session);
            }
        }
    }
}

void RandomWorld::change_schema() {
    end_all();  // new triggers wait for writers, and these would wait for us
    const auto at = static_cast<std::size_t>(below(static_cast<int>(tables_.size())));
    Table& table = tables_[at];
    const Column added = random_column();
    const std::string any_default = value_literal(added.type);
    std::string sql;
    Table after = table;
    after.log_is_whole = false;
    switch (below(10)) {
        case 0:
            sql = fmt::format("ALTER TABLE {} ADD {} {}", table.name, added.name, added.type);
            after.columns.push_back(added);
            break;
        case 1:
            sql = fmt::format("ALTER TABLE {} ADD {} {} DEFAULT {}", table.name, added.name, added.type, any_default);
            after.columns.push_back(added);
            break;
        case 2:
            sql = fmt::format("ALTER TABLE {} ADD {} double precision DEFAULT random()", table.name, added.name);
            after.columns.push_back({added.name, "double precision"});
            break;
        case 3:
            if (table.columns.size() < 2) return;
            sql = fmt::format("ALTER TABLE {} DROP {}", table.name, table.columns.front().name);
            after.columns.erase(after.columns.begin());
            break;
        case 4:
            if (table.columns.size() < 2 || table.columns[0] == table.columns[1]) return;
            sql = fmt::format(
                "ALTER TABLE {0} RENAME {1} TO swap; ALTER TABLE {0} RENAME {2} TO {1}; ALTER TABLE {0} RENAME swap TO "
                "{2}",
                table.name, table.columns[0].name, table.columns[1].name);
            std::swap(after.columns[0].type, after.columns[1].type);
            break;
        case 5:
            if (table.columns.empty()) return;
            sql = fmt::format("ALTER TABLE {0} ALTER {1} TYPE text USING {1}::text", table.name, table.columns[0].name);
            after.columns[0].type = "text";
            break;
        case 6:
            if (table.is_partitioned || table.has_trigger) return;
            after.name = fmt::format("t{}", ++tables_made_);
            sql = fmt::format("ALTER TABLE {} RENAME TO {}", table.name, after.name);
            break;
        case 7:
            sql = fmt::format("DROP TABLE {} CASCADE", table.name);
            history_.push_back(sql);
            mirrored_.run(sql);
            tables_.erase(tables_.begin() + static_cast<std::ptrdiff_t>(at));
            create_table();
            tables_.back().log_is_whole = false;
            return;
        case 8: {
            if (table.is_partitioned || tables_.size() < 2) return;
            Table& other = tables_[(at + 1) % tables_.size()];
            if (other.is_partitioned || other.has_trigger || table.has_trigger) return;
            sql = fmt::format(
                "ALTER TABLE {0} RENAME TO swap; ALTER TABLE {1} RENAME TO {0}; ALTER TABLE swap RENAME TO {1}",
                table.name, other.name);
            history_.push_back(sql);
            mirrored_.run(sql);
            std::swap(table.name, other.name);
            table.log_is_whole = false;
            other.log_is_whole = false;
            return;
        }
        default:
            if (table.is_partitioned || table.has_parent || table.has_trigger || table.key_type != "int" ||
                table.is_deferrable)
                return;
            sql = fmt::format("ALTER TABLE {} ALTER {} TYPE bigint", table.name, table.key);
    }
    history_.push_back(sql);
    mirrored_.run("BEGIN; " + sql + "; COMMIT");
    table = after;
}

// What a lake's upkeep does between batches.
void RandomWorld::keep_house() {
    static const std::vector<std::string> chores{"CALL ducklake_flush_inlined_data('lake')",
                                                 "CALL ducklake_merge_adjacent_files('lake')",
                                                 "CALL ducklake_rewrite_data_files('lake', delete_threshold => 0)",
                                                 "CALL ducklake_expire_snapshots('lake', older_than => now())"};
    const std::string chore = chores[static_cast<std::size_t>(below(static_cast<int>(chores.size())))];
    history_.push_back("-- " + chore);
    mirrored_.eider().lake.session().run(chore);
}

std::string RandomWorld::sync_and_compare() {
    if (one_in(6)) {
        history_.emplace_back("-- eider starts again");
        mirrored_.stop();
    }
    history_.push_back(fmt::format("-- sync {}", mirrored_.sync()));
    std::string out;
    for (const auto& table : tables_) {
        out += mirrored_.differences("w." + table.name);
        if (table.log_is_whole) out += mirrored_.replay_differences("w." + table.name, {table.key});
    }
    if (one_in(4)) out += mirrored_.verify();
    return out;
}

std::string RandomWorld::round() {
    for (int i = 5 + below(25); i > 0; --i) work();
    if (one_in(3)) {
        for (int i = below(3); i >= 0; --i) {
            change_schema();
            for (int k = below(6); k > 0; --k) work();
        }
        end_all();
    }
    if (one_in(4)) keep_house();
    return sync_and_compare();
}

void run_random_world(unsigned seed, int rounds) {
    SCOPED_TRACE(fmt::format("EIDER_SEED={}", seed));
    RandomWorld world(seed);
    for (int i = 0; i < rounds; ++i) {
        std::string wrong;
        try {
            wrong = world.round();
        } catch (const std::exception& error) {
            wrong = error.what();
        }
        ASSERT_EQ(wrong, "") << "in round " << i << " of EIDER_SEED=" << seed << "; what was done:\n"
                             << last_of(world.history());
    }
}

}  // namespace eider::test
