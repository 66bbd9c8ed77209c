// Keys that an update changes, and migrations that change the key's columns under a running application.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/text.h"
#include "support/capture.h"
#include "support/server.h"

namespace eider::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// What a table may be captured with: each has statements of its own for keys that change.
struct How {
    const char* name;
    const char* options;
};

class Keys : public testing::TestWithParam<How> {
protected:
    void SetUp() override { install_capture(app_); }

    void make(const std::string& table_sql) {
        app_.run(table_sql);
        attach(app_, "t", GetParam().options);
    }

    Database database_ = fresh_database();
    Client app_{database_.uri};
};

INSTANTIATE_TEST_SUITE_P(With, Keys,
                         testing::Values(How{"plain", "{}"}, How{"context", R"({"context": true})"},
                                         How{"before", R"({"before": true})"},
                                         How{"where", R"({"where": "v <> 'hidden'"})"},
                                         How{"exclude", R"({"exclude": ["w"]})"}),
                         [](const auto& how) { return std::string(how.param.name); });

constexpr const char* two_rows =
    "CREATE TABLE t (id int PRIMARY KEY, v text, w text); INSERT INTO t VALUES (1, 'a', 'w'), (2, 'b', 'w')";

TEST_P(Keys, EndBeforeTheirRowsGoOn) {
    make(two_rows);
    app_.run("UPDATE t SET v = 'x'; UPDATE t SET id = -id; UPDATE t SET id = id - 10 WHERE id = -2");
    EXPECT_THAT(short_events(app_), ElementsAre("U 1", "U 2", "D 1", "D 2", "U -1", "U -2", "D -2", "U -12"));
}

TEST_P(Keys, ThatTriggersOfTheApplicationChangeAreSeen) {
    make(
        std::string(two_rows) +
        "; CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.id := new.id + 100; RETURN new; END';"
        "CREATE TRIGGER shift BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION shift()");
    app_.run("UPDATE t SET v = 'x' WHERE id = 1");
    EXPECT_THAT(short_events(app_), ElementsAre("D 1", "U 101"));
}

TEST_P(Keys, OfAnUpsertAreSeen) {
    make(two_rows);
    app_.run("INSERT INTO t VALUES (1, 'c', 'w'), (3, 'c', 'w') ON CONFLICT (id) DO UPDATE SET id = 7");
    EXPECT_THAT(short_events(app_), UnorderedElementsAre("D 1", "U 7", "I 3"));
}

TEST_P(Keys, SwappedOrShiftedUnderADeferrableConstraintReplayToTheTable) {
    make("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text, w text)");
    app_.run("INSERT INTO t SELECT g, 'v' || g FROM generate_series(-5, 20) AS g");
    app_.run(
        "UPDATE t SET id = -id; UPDATE t SET id = id + 1; UPDATE t SET id = CASE id WHEN 3 THEN 4 WHEN 4 THEN 3 ELSE "
        "id END");
    const bool is_whole = std::string(GetParam().name) != "exclude";
    if (is_whole) {
        EXPECT_THAT(replay_differences(app_, "t", {"id"}), IsEmpty());
    }
    app_.run(
        "BEGIN; UPDATE t SET id = id + 1 WHERE id > 0; UPDATE t SET id = id - 1 WHERE id > 0; DELETE FROM t WHERE id = "
        "5; UPDATE t SET id = 5 WHERE id = 6; COMMIT");
    if (!is_whole) app_.run("ALTER TABLE t DROP COLUMN w");
    EXPECT_THAT(replay_differences(app_, "t", {"id"}), IsEmpty());
}

TEST_P(Keys, OfSeveralColumnsAreComparedInWhole) {
    make(
        "CREATE TABLE t (a text, b text, v text, w text, PRIMARY KEY (b, a)); INSERT INTO t VALUES ('1', 'x', 'v'), "
        "('1', 'y', 'v'), ('''', '\\', 'v')");
    app_.run(
        "UPDATE t SET a = '9' WHERE a = '1' AND b = 'y'; UPDATE t SET b = 'z' WHERE b = 'x'; UPDATE t SET v = 'new'; "
        "UPDATE t SET a = b, b = a WHERE a = ''''");
    EXPECT_EQ(app_.value("SELECT string_agg(concat(op, data ->> 'a', data ->> 'b'), ' ' ORDER BY seq) FROM audit.cdc "
                         "WHERE op = 'D'"),
              "D1y D1x D'\\");
    if (std::string(GetParam().name) == "exclude") app_.run("ALTER TABLE t DROP COLUMN w");
    EXPECT_THAT(replay_differences(app_, "t", {"a", "b"}), IsEmpty());
}

TEST_P(Keys, EqualButNotIdenticalAreTwoKeys) {
    app_.run(
        "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE EXTENSION "
        "citext");
    for (const auto& [type, from, to] :
         std::vector<std::tuple<std::string, std::string, std::string>>{{"citext", "a", "A"},
                                                                        {"numeric", "1.0", "1.00"},
                                                                        {"text COLLATE blind", "a", "A"},
                                                                        {"float8", "0", "-0"},
                                                                        {"interval", "1 day", "24 hours"}}) {
        app_.run("DROP TABLE IF EXISTS t");
        make(fmt::format("CREATE TABLE t (id {} PRIMARY KEY, v text, w text); INSERT INTO t VALUES ('{}', 'v')", type,
                         from));
        forget_events(app_);
        app_.run(fmt::format("UPDATE t SET id = '{}'", to));
        EXPECT_EQ(app_.value("SELECT string_agg(op::text, '' ORDER BY seq) FROM audit.cdc"), "DU") << type;
    }
}

TEST_P(Keys, OfManyRowsAfterSingleOnesTakeNoMoreTime) {
    make(
        "CREATE TABLE t (id int PRIMARY KEY, v text, w text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, "
        "50000) AS i");
    for (int i = 0; i < 12; ++i) app_.run("UPDATE t SET id = -id WHERE abs(id) = 1");
    app_.run("SET statement_timeout = '30s'; UPDATE t SET id = id + 100000");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE op = 'D'"), 12 + 50000);
}

// PostgreSQL would refuse these if a trigger's condition named the column; and a function that names it must not fail.
TEST_P(Keys, MayChangeTheirTypeTheirNameAndTheirColumnsUnderARunningApplication) {
    make(two_rows);
    app_.run("UPDATE t SET v = 'x'");  // all is planned
    forget_events(app_);
    app_.run("ALTER TABLE t ALTER id TYPE bigint");
    app_.run("UPDATE t SET id = 10000000000 WHERE id = 1; UPDATE t SET v = 'y' WHERE id = 2");
    EXPECT_THAT(short_events(app_), ElementsAre("D 1", "U 10000000000", "U 2"));
    forget_events(app_);
    app_.run("ALTER TABLE t ALTER id TYPE text");
    app_.run("UPDATE t SET id = 'two' WHERE id = '2'; UPDATE t SET v = 'x' WHERE id = 'two'");
    EXPECT_THAT(short_events(app_), ElementsAre("D 2", "U two", "U two"));
    forget_events(app_);
    app_.run("ALTER TABLE t RENAME id TO name");
    app_.run(
        "UPDATE t SET v = 'y' WHERE name = 'two'; INSERT INTO t VALUES ('three', 'c', 'w'); UPDATE t SET name = 'four' "
        "WHERE name = 'three'; DELETE FROM t WHERE name = 'four'");
    const auto events = short_events(app_, "name");
    EXPECT_EQ(events.back(), "D four");
    EXPECT_THAT(events, testing::IsSupersetOf({"U two", "I three", "D three", "U four"}));
    app_.run("ALTER TABLE t RENAME name TO id; ALTER TABLE t RENAME v TO name; ALTER TABLE t RENAME id TO v");
    app_.run("UPDATE t SET name = 'z'");
    app_.run("ALTER TABLE t DROP COLUMN v");
    app_.run("UPDATE t SET name = 'zz'; DELETE FROM t");
    app_.run(
        "ALTER TABLE t ADD COLUMN id int; INSERT INTO t VALUES ('n', 'w', 1); UPDATE t SET id = 2; ALTER TABLE t ADD "
        "PRIMARY KEY (id); SELECT audit.refresh()");
    EXPECT_THAT(app_.run("SELECT audit.attach('t', (SELECT options FROM audit.relation WHERE table_name = 't'))"),
                testing::SizeIs(1));
    forget_events(app_);
    app_.run("UPDATE t SET id = 3");
    if (std::string(GetParam().name) == "exclude") return;  // a new column is left out until somebody decides
    if (std::string(GetParam().name) == "where") return;    // its column is gone: nothing passes
    EXPECT_THAT(short_events(app_), ElementsAre("D 2", "U 3"));
}

TEST_P(Keys, ThatComeOrGoAreWatchedFromTheNextLookOn) {
    make("CREATE TABLE t (id int NOT NULL, v text, w text); INSERT INTO t VALUES (1, 'v', 'w')");
    app_.run("UPDATE t SET id = 2");
    EXPECT_THAT(short_events(app_), ElementsAre("U 2"));
    app_.run("ALTER TABLE t ADD PRIMARY KEY (id)");
    attach(app_, "t", GetParam().options);
    forget_events(app_);
    app_.run("UPDATE t SET id = 3");
    EXPECT_THAT(short_events(app_), ElementsAre("D 2", "U 3"));
    app_.run("ALTER TABLE t DROP CONSTRAINT t_pkey");
    attach(app_, "t", GetParam().options);
    forget_events(app_);
    app_.run("UPDATE t SET id = 4");
    EXPECT_THAT(short_events(app_), ElementsAre("U 4"));
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
}

TEST_P(Keys, OfAPartitionedTableEndBeforeTheirRowsGoOn) {
    make(
        "CREATE TABLE t (id int, part int, v text, w text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 (w text, v text, part int NOT NULL, id int "
        "NOT NULL); ALTER TABLE t ATTACH PARTITION t2 FOR VALUES IN (2);"
        "INSERT INTO t VALUES (1, 1, 'a', 'w'), (2, 2, 'b', 'w')");
    app_.run(
        "UPDATE t SET v = 'x'; UPDATE t SET id = id + 10; UPDATE t2 SET id = 20; UPDATE t SET part = 1 WHERE id = 20");
    EXPECT_EQ(
        app_.value(
            "SELECT string_agg(concat(op, data ->> 'id', '/', data ->> 'part'), ' ' ORDER BY seq) FROM audit.cdc"),
        "U1/1 U2/2 D1/1 U11/1 D2/2 U12/2 D12/2 U20/2 D20/2 I20/1");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE nested"), 0);
}

TEST_P(Keys, OfAPartitionedTableMayChangeTheirTypeAndName) {
    make(
        "CREATE TABLE t (id int, part int, v text, w text, PRIMARY KEY (id, part)) PARTITION BY LIST (part); CREATE "
        "TABLE t1 PARTITION OF t FOR VALUES IN (1);"
        "INSERT INTO t VALUES (1, 1, 'a', 'w')");
    app_.run(
        "UPDATE t SET v = 'x'; ALTER TABLE t ALTER id TYPE bigint; UPDATE t SET id = 2; ALTER TABLE t RENAME id TO "
        "name; UPDATE t1 SET v = 'y'; UPDATE t SET name = 3");
    EXPECT_EQ(app_.value("SELECT data ->> 'name' FROM audit.cdc ORDER BY seq DESC LIMIT 1"), "3");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE op = 'D' AND data ->> 'name' = '2'") > 0, true);
    attach(app_, "t", app_.value("SELECT options FROM audit.relation WHERE table_name = 't'"));
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    forget_events(app_);
    app_.run("UPDATE t SET v = 'z'; UPDATE t SET name = 4");
    EXPECT_THAT(short_events(app_, "name"), ElementsAre("U 3", "D 3", "U 4"));
}

// A plan for NEW.* outlives a change of the table.
TEST_P(Keys, AndColumnsOfAPartitionedTableMayComeGoAndChangeUnderARunningApplication) {
    make(
        "CREATE TABLE t (id int, part int, v text, w text, PRIMARY KEY (id, part)) PARTITION BY LIST (part); CREATE "
        "TABLE t1 PARTITION OF t FOR VALUES IN (1);"
        "INSERT INTO t VALUES (1, 1, 'a', 'w'); CREATE VIEW newest AS SELECT data FROM audit.cdc ORDER BY seq DESC "
        "LIMIT 1");
    const bool is_listed = std::string(GetParam().name) == "exclude";
    app_.run("UPDATE t SET v = 'b'; ALTER TABLE t ADD COLUMN n int DEFAULT 7; UPDATE t SET v = 'c'");
    EXPECT_EQ(app_.value("SELECT data ->> 'n' FROM newest"), is_listed ? "" : "7");
    app_.run("ALTER TABLE t DROP COLUMN n; UPDATE t SET v = 'd'");
    EXPECT_EQ(app_.value("SELECT data ->> 'v' FROM newest"), "d");
    EXPECT_EQ(app_.value("SELECT (data -> 'n') IS NULL FROM newest"), "t");
    app_.run(
        "ALTER TABLE t ALTER v TYPE varchar(5), ALTER id TYPE numeric; UPDATE t SET v = 'e'; DELETE FROM t; INSERT "
        "INTO t VALUES (1.50, 1, 'f', 'w')");
    EXPECT_EQ(app_.value("SELECT data ->> 'id' FROM newest"), "1.50");
}

TEST_P(Keys, OfHostileNamesAreWatched) {
    int number = 0;
    for (const std::string name :
         {"id",       "eider",  "rel",        "nested",    "key",    "hash", "k",      "o",        "n",
          "r",        "stays",  "tg_op",      "tg_relid",  "found",  "old",  "new",    "old_rows", "new_rows",
          "data",     "ends",   "is_current", "context",   "i",      "e",    "passes", "p",        "op",
          "happened", "before", "\"",         "'",         "\\",     "%s",   "%1$s",   "$1",       "{insert}",
          "{slot}",   "naïve",  "名前",       "new\nline", "select", "text", "int4"}) {
        const std::string table = fmt::format("t{}", ++number);
        const std::string column = quote_ident(name);
        app_.run(fmt::format(
            "CREATE TABLE {0} ({1} text, v text, w text, PRIMARY KEY ({1})); INSERT INTO {0} VALUES ('a', 'v')", table,
            column));
        attach(app_, table, GetParam().options);
        forget_events(app_);
        app_.run(fmt::format("UPDATE {0} SET v = 'x'; UPDATE {0} SET {1} = 'b'", table, column));
        EXPECT_THAT(short_events(app_, name), ElementsAre("U a", "D a", "U b")) << name;
        EXPECT_EQ(
            app_.number(fmt::format("SELECT count(*) FROM audit.problems_of({}::regclass)", quote_literal(table))), 0)
            << name;
    }
}

TEST_P(Keys, OfHostileNamesAreWatchedInPartitions) {
    int number = 0;
    for (const std::string name : {"id", "\"", "'", "\\", "\\000", "%s", "naïve", "名前", "new\nline"}) {
        const std::string table = fmt::format("t{}", ++number);
        const std::string column = quote_ident(name);
        app_.run(
            fmt::format("CREATE TABLE {0} ({1} text, v text, w text, PRIMARY KEY ({1})) PARTITION BY HASH ({1}); "
                        "CREATE TABLE {0}_0 PARTITION OF {0} FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
                        "INSERT INTO {0} VALUES ('a', 'v')",
                        table, column));
        attach(app_, table, GetParam().options);
        forget_events(app_);
        app_.run(fmt::format("UPDATE {0} SET v = 'x'; UPDATE {0} SET {1} = 'b'", table, column));
        EXPECT_THAT(short_events(app_, name), ElementsAre("U a", "D a", "U b")) << name;
        EXPECT_EQ(
            app_.number(fmt::format("SELECT count(*) FROM audit.problems_of({}::regclass)", quote_literal(table))), 0)
            << name;
    }
}

}  // namespace
}  // namespace eider::test
