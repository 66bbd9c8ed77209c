// What is recorded of tables of all shapes: names, types, columns, partitions, inheritance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/text.h"
#include "support/capture.h"
#include "support/server.h"

namespace eider::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string error_of(Client& client, const std::string& sql) {
    try {
        client.run(sql);
        return "";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

class Shapes : public testing::Test {
protected:
    void SetUp() override { install_capture(app_); }

    Database database_ = fresh_database();
    Client app_{database_.uri};
};

// --- Names -----------------------------------------------------------------------------------------------------------

const std::vector<std::string>& hostile_names() {
    static const std::vector<std::string> names{"new_rows",
                                                "old_rows",
                                                "r",
                                                "n",
                                                "o",
                                                "p",
                                                "i",
                                                "new",
                                                "old",
                                                "data",
                                                "op",
                                                "rel",
                                                "nested",
                                                "context",
                                                "found",
                                                "tg_relid",
                                                "tg_op",
                                                "eider",
                                                "event",
                                                "passes",
                                                "row_to_json",
                                                "select",
                                                "Upper Case",
                                                "q\"uote",
                                                "apo'strophe",
                                                "100%",
                                                "%s%I%L",
                                                "$eider$",
                                                "$1",
                                                "{insert}",
                                                "{{owner}}",
                                                "back\\slash",
                                                "new\nline",
                                                "dot.ted",
                                                "naïve",
                                                "名前",
                                                "😀",
                                                "semi;--colon",
                                                "ctid_",
                                                "eider_rel",
                                                std::string(63, 'x'),
                                                "/* comment",
                                                "cdc_1"};
    return names;
}

TEST_F(Shapes, ATableOfAnyNameIsRecordedUnderIt) {
    for (const auto& name : hostile_names()) {
        const std::string table = quote_ident(name);
        app_.run("CREATE TABLE " + table + " (id int PRIMARY KEY, v text)");
        attach(app_, table);
        app_.run(
            fmt::format("INSERT INTO {0} VALUES (1, 'a'); UPDATE {0} SET v = 'b'; UPDATE {0} SET id = 2; DELETE FROM "
                        "{0}; TRUNCATE {0}",
                        table));
        EXPECT_EQ(
            app_.value(fmt::format("SELECT string_agg(op::text, '' ORDER BY seq) FROM audit.cdc WHERE table_name = {}",
                                   quote_literal(name))),
            "IUDUDT")
            << name;
    }
}

TEST_F(Shapes, ASchemaOfAnyNameIsRecordedUnderIt) {
    for (const auto& name : hostile_names()) {
        const std::string table = quote_ident(name) + ".t";
        app_.run(fmt::format("CREATE SCHEMA {}; CREATE TABLE {} (id int)", quote_ident(name), table));
        attach(app_, table);
        app_.run("INSERT INTO " + table + " VALUES (1)");
        EXPECT_EQ(
            app_.number(fmt::format("SELECT count(*) FROM audit.cdc WHERE schema_name = {}", quote_literal(name))), 1)
            << name;
    }
}

TEST_F(Shapes, ColumnsOfAnyNameAreRecorded) {
    std::string columns;
    std::string values;
    for (const auto& name : hostile_names()) {
        columns += ", " + quote_ident(name) + " int";
        values += ", 7";
    }
    app_.run("CREATE TABLE t (id int PRIMARY KEY" + columns + ")");
    attach(app_, "t");
    app_.run("INSERT INTO t VALUES (1" + values + "); UPDATE t SET id = 2; DELETE FROM t");
    for (const auto& name : hostile_names()) {
        EXPECT_EQ(
            app_.number(fmt::format("SELECT count(*) FROM audit.cdc WHERE data ->> {} = '7'", quote_literal(name))), 4)
            << name;
    }
}

TEST_F(Shapes, AKeyOfAnyNameIsWatched) {
    int number = 0;
    for (const auto& name : hostile_names()) {
        const std::string table = fmt::format("t{}", ++number);
        app_.run(fmt::format("CREATE TABLE {} ({} text PRIMARY KEY)", table, quote_ident(name)));
        attach(app_, table);
        forget_events(app_);
        app_.run(fmt::format("INSERT INTO {0} VALUES ('a'); UPDATE {0} SET {1} = 'b'", table, quote_ident(name)));
        EXPECT_THAT(short_events(app_, name), ElementsAre("I a", "D a", "U b")) << name;
    }
}

TEST_F(Shapes, AllColumnsOfAnyNameCanBeExcludedHashedAndFiltered) {
    for (const auto& name : hostile_names()) {
        const std::string column = quote_ident(name);
        app_.run(
            fmt::format("DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, {} text, kept text)", column));
        const std::string quoted = app_.value(fmt::format("SELECT to_json({}::text)", quote_literal(name)));
        const std::string filter =
            app_.value(fmt::format("SELECT to_json({}::text)", quote_literal(column + " <> 'no'")));
        attach(app_, "t",
               fmt::format(R"({{"hash": [{}], "where": {}, "before": true, "context": true}})", quoted, filter));
        app_.run(
            fmt::format("INSERT INTO t VALUES (1, 'secret', 'k'), (2, 'no', 'k'); UPDATE t SET kept = 'l'; UPDATE t "
                        "SET {} = 'no'; DELETE FROM t",
                        column));
        EXPECT_THAT(short_events(app_), ElementsAre("I 1", "U 1", "D 1")) << name;
        EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE concat(data, before) LIKE '%secret%'"), 0) << name;
        attach(app_, "t", fmt::format(R"({{"exclude": [{}]}})", quoted));
        forget_events(app_);
        app_.run("INSERT INTO t VALUES (3, 'secret', 'k')");
        EXPECT_THAT(events(app_), ElementsAre(R"(I public.t {"id":3,"kept":"k"})")) << name;
        forget_events(app_);
    }
}

// --- Columns and types -----------------------------------------------------------------------------------------------

TEST_F(Shapes, GeneratedIdentityAndDroppedColumnsComeOutAsTheTableShowsThem) {
    app_.run(
        "CREATE TABLE t (gone int, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS "
        "AS (a * 2) STORED)");
    app_.run("ALTER TABLE t DROP COLUMN gone");
    attach(app_, "t");
    app_.run(
        "INSERT INTO t (a) VALUES (21); ALTER TABLE t ADD COLUMN b text DEFAULT 'x'; UPDATE t SET a = 4; ALTER TABLE t "
        "DROP COLUMN a CASCADE; DELETE FROM t");
    EXPECT_THAT(events(app_),
                ElementsAre(R"(I public.t {"id":1,"a":21,"twice":42})",
                            R"(U public.t {"id":1,"a":4,"twice":8,"b":"x"})", R"(D public.t {"id":1,"b":"x"})"));
}

TEST_F(Shapes, ATableOfManyColumnsAndARowOfManyMegabytesAreRecorded) {
    std::string columns;
    for (int i = 0; i < 1500; ++i) columns += fmt::format(", c{} int DEFAULT {}", i, i);
    app_.run("CREATE TABLE wide (id int PRIMARY KEY" + columns + "); CREATE TABLE long (id int PRIMARY KEY, v text)");
    attach(app_, "wide");
    attach(app_, "long");
    app_.run("INSERT INTO wide (id) VALUES (1); INSERT INTO long VALUES (1, repeat('x', 20000000))");
    EXPECT_EQ(app_.number("SELECT count(*) FROM json_each((SELECT data FROM audit.cdc WHERE table_name = 'wide'))"),
              1501);
    EXPECT_EQ(app_.number("SELECT length(data ->> 'v') FROM audit.cdc WHERE table_name = 'long'"), 20000000);
}

TEST_F(Shapes, SettingsOfTheSessionDoNotShowInWhatIsRecorded) {
    app_.run(
        "CREATE TYPE pair AS (a timestamptz, b interval);"
        "CREATE TABLE t (id int PRIMARY KEY, ts timestamptz, d date, r tstzrange, i interval, f float8, g float4, b "
        "bytea, m money, p pair, a timestamptz[],"
        "x numeric, u uuid, j jsonb, c regclass)");
    attach(app_, "t");
    const std::string row =
        "INSERT INTO t VALUES (1, '2026-03-01 12:00:00+00', '2026-03-01', '[2026-03-01 12:00:00+00,)', '1 mon -3 days "
        "04:05:06', 0.1::float8 + 0.2, 0.1, '\\x00ff41',"
        "'12.34', ('2026-03-01 12:00:00+00', '2 days'), ARRAY['2026-03-01 12:00:00+00'::timestamptz, NULL], 1.50, "
        "NULL, '{\"a\": 1}', 't'); DELETE FROM t";
    app_.run(row);
    app_.run(
        "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kathmandu'; SET IntervalStyle = 'sql_standard'; SET "
        "extra_float_digits = 0;"
        "SET bytea_output = 'escape'; SET lc_monetary = 'C.UTF-8'; SET search_path = public, pg_catalog; SET "
        "quote_all_identifiers = off");
    app_.run(
        "SET standard_conforming_strings = on; SET TimeZone = 'Asia/Kathmandu';" +
        std::string(
            "INSERT INTO t VALUES (1, '2026-03-01 12:00:00+00', DATE '2026-03-01', '[\"2026-03-01 12:00:00+00\",)', "
            "make_interval(months => 1, days => -3, hours => 4, mins => 5, secs => 6), 0.1::float8 + 0.2, 0.1, "
            "'\\x00ff41', '12.34', "
            "ROW('2026-03-01 12:00:00+00'::timestamptz, make_interval(days => 2))::pair, ARRAY['2026-03-01 "
            "12:00:00+00'::timestamptz, NULL], 1.50, NULL, '{\"a\": 1}', 't'); DELETE FROM t"));
    EXPECT_EQ(app_.number("SELECT count(DISTINCT data::text) FROM audit.cdc"), 1);
    EXPECT_THAT(app_.value("SELECT data FROM audit.cdc LIMIT 1"), HasSubstr("0.30000000000000004"));
    EXPECT_THAT(app_.value("SELECT data FROM audit.cdc LIMIT 1"), HasSubstr("2026-03-01T12:00:00+00:00"));
    EXPECT_THAT(app_.value("SELECT data FROM audit.cdc LIMIT 1"), HasSubstr(R"("c":"public.t")"));
}

TEST_F(Shapes, ATableThatWasDroppedSinceStillHasItsNameAndARenamedOneItsNewName) {
    app_.run("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    attach(app_, "a");
    attach(app_, "b");
    app_.run(
        "INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); DROP TABLE a; ALTER TABLE b RENAME TO c; INSERT INTO c "
        "VALUES (2); SELECT audit.refresh()");
    EXPECT_THAT(events(app_),
                ElementsAre(R"(I public.a {"id":1})", R"(I public.c {"id":1})", R"(I public.c {"id":2})"));
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.relation WHERE detached_at IS NOT NULL"), 1);
}

// --- Partitions ------------------------------------------------------------------------------------------------------

class Partitions : public Shapes {
protected:
    void SetUp() override {
        Shapes::SetUp();
        app_.run(
            "CREATE TABLE t (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);"
            "CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu');"
            "CREATE TABLE t_us (v text, region text NOT NULL, id int NOT NULL); ALTER TABLE t ATTACH PARTITION t_us "
            "FOR VALUES IN ('us')");
        attach(app_, "t");
    }

    std::vector<std::string> replayed() { return replay_differences(app_, "t", {"id", "region"}); }
};

TEST_F(Partitions, ChangesOfAPartitionAreReportedUnderItsRoot) {
    app_.run(
        "INSERT INTO t VALUES (1, 'eu', 'a'); INSERT INTO t_us VALUES ('b', 'us', 2); UPDATE t_eu SET v = 'c'; DELETE "
        "FROM t_us");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "I 2", "U 1", "D 2"));
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE table_name = 't'"), 4);
    EXPECT_THAT(replayed(), IsEmpty());
}

TEST_F(Partitions, ARowThatMovesBetweenPartitionsEndsWhereItIs) {
    app_.run(
        "INSERT INTO t VALUES (1, 'eu', 'a'), (2, 'us', 'b'); UPDATE t SET region = 'us' WHERE id = 1; UPDATE t SET id "
        "= 5 WHERE id = 2");
    EXPECT_THAT(replayed(), IsEmpty());
    EXPECT_THAT(events(app_), Contains(R"(D public.t {"id":1,"region":"eu","v":"a"})"));
}

TEST_F(Partitions, ANewPartitionIsCapturedFromItsFirstRow) {
    app_.run(
        "CREATE TABLE t_asia PARTITION OF t FOR VALUES IN ('asia') PARTITION BY RANGE (id); CREATE TABLE t_asia_1 "
        "PARTITION OF t_asia FOR VALUES FROM (0) TO (10)");
    app_.run(
        "INSERT INTO t VALUES (1, 'asia', 'a'); INSERT INTO t_asia_1 VALUES (2, 'asia', 'b'); UPDATE t_asia SET v = "
        "'c'");
    EXPECT_THAT(replayed(), IsEmpty());
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc"), 4);
}

TEST_F(Partitions, TruncatingTheRootIsRecordedAndTruncatingAPartitionNamesWhatItHeld) {
    app_.run("INSERT INTO t VALUES (1, 'eu', 'a'), (2, 'us', 'b')");
    forget_events(app_);
    app_.run("TRUNCATE t_eu");
    EXPECT_EQ(app_.value("SELECT concat_ws(' ', op, table_name, data ->> 'table') FROM audit.cdc"), "T t_eu t");
    EXPECT_THAT(app_.value("SELECT data ->> 'where' FROM audit.cdc"), HasSubstr("'eu'"));
    forget_events(app_);
    app_.run("TRUNCATE t");
    EXPECT_EQ(app_.value("SELECT string_agg(table_name, ' ' ORDER BY seq) FROM audit.cdc"), "t t_eu t_us");
}

TEST_F(Partitions, TruncateOfAPartitionThatCameLaterIsRecordedAfterTheNextLook) {
    app_.run("CREATE TABLE t_asia PARTITION OF t FOR VALUES IN ('asia')");
    EXPECT_EQ(app_.value("SELECT string_agg(on_table::regclass || ' ' || problem, ',') FROM audit.trigger_problem"),
              "t_asia missing");
    attach(app_, "t");
    app_.run("TRUNCATE t_asia");
    EXPECT_EQ(app_.value("SELECT table_name FROM audit.cdc"), "t_asia");
}

TEST_F(Partitions, ADetachedPartitionIsNoLongerCapturedAndMayComeBack) {
    app_.run("ALTER TABLE t DETACH PARTITION t_eu; INSERT INTO t_eu VALUES (1, 'eu', 'a'); TRUNCATE t_eu");
    EXPECT_THAT(events(app_), IsEmpty());
    app_.run("SELECT audit.refresh()");
    EXPECT_EQ(app_.value("SELECT detached_at IS NOT NULL FROM audit.relation WHERE table_name = 't_eu'"), "t");
    attach(app_, "t_eu");  // on its own
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    app_.run("INSERT INTO t_eu VALUES (2, 'eu', 'a')");
    EXPECT_EQ(app_.value("SELECT string_agg(table_name, ' ') FROM audit.cdc"), "t_eu");
    app_.run(
        "ALTER TABLE t ATTACH PARTITION t_eu FOR VALUES IN ('eu'); SELECT audit.refresh(); SELECT "
        "audit.detach('t_eu')");
    attach(app_, "t");
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    forget_events(app_);
    app_.run("UPDATE t SET v = 'z'");
    EXPECT_EQ(app_.value("SELECT string_agg(table_name, ' ') FROM audit.cdc"), "t");
}

TEST_F(Partitions, AStandAloneTableWithTriggersOfEiderCanBecomeAPartition) {
    app_.run("CREATE TABLE alone (LIKE t)");
    attach(app_, "alone");
    app_.run("ALTER TABLE t ATTACH PARTITION alone FOR VALUES IN ('asia')");
    app_.run("INSERT INTO t VALUES (1, 'asia', 'x')");
    EXPECT_THAT(replayed(), IsEmpty());
}

TEST_F(Partitions, KeysSwappedInOneStatementAreMarkedBecauseTheirOrderIsNotCertain) {
    app_.run(
        "CREATE TABLE s (id int PRIMARY KEY DEFERRABLE, v text) PARTITION BY RANGE (id);"
        "CREATE TABLE s1 PARTITION OF s FOR VALUES FROM (-10) TO (0); CREATE TABLE s2 PARTITION OF s FOR VALUES FROM "
        "(0) TO (10)");
    attach(app_, "s");
    app_.run("INSERT INTO s SELECT g, 'v' || g FROM generate_series(-3, 3) AS g; UPDATE s SET id = -id");
    // A move is a DELETE and an INSERT: what one row's DELETE ends another row's INSERT may have begun.
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE op = 'D' AND NOT nested"), 0);
    EXPECT_THAT(replay_differences(app_, "s", {"id"}), IsEmpty());
}

TEST_F(Partitions, ATriggerSwitchedOffOnOnePartitionIsFoundAndMended) {
    app_.run("ALTER TABLE t_eu DISABLE TRIGGER ALL");
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), testing::Not(IsEmpty()));
    attach(app_, "t");
    EXPECT_THAT(app_.run("SELECT name, problem FROM audit.trigger_problem"), IsEmpty());
    app_.run("INSERT INTO t VALUES (1, 'eu', 'a')");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1"));
}

TEST_F(Partitions, OptionsHoldForPartitions) {
    attach(app_, "t", R"({"exclude": ["v"], "before": true, "where": "id < 10"})");
    app_.run(
        "INSERT INTO t VALUES (1, 'eu', 'secret'), (20, 'us', 'secret'); UPDATE t_eu SET v = 'secret2'; UPDATE t SET "
        "id = 15 WHERE id = 1; UPDATE t SET region = 'us'");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE concat(data, before) LIKE '%secret%'"), 0);
    EXPECT_EQ(app_.value("SELECT string_agg(op::text || (data ->> 'id'), ' ' ORDER BY seq) FROM audit.cdc"),
              "I1 U1 D1");
}

TEST_F(Partitions, APartitionCannotBeAttachedByItself) {
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('t_eu')"), HasSubstr("is a partition"));
}

// --- Inheritance, and what cannot be captured ------------------------------------------------------------------------

TEST_F(Shapes, TablesOfAnInheritanceTreeAreRecordedEachUnderItsOwnName) {
    app_.run(
        "CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (extra int, PRIMARY KEY (id)) INHERITS "
        "(parent)");
    attach(app_, "parent");
    attach(app_, "child");
    app_.run(
        "INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (2, 'b', 5); UPDATE parent SET v = 'c'; UPDATE "
        "parent SET id = id + 10; DELETE FROM parent");
    EXPECT_EQ(app_.value("SELECT string_agg(table_name || op::text || (data ->> 'id'), ' ' ORDER BY seq) FROM "
                         "audit.cdc WHERE table_name = 'child'"),
              "childI2 childU2 childD2 childU12 childD12");
    EXPECT_EQ(app_.value("SELECT string_agg(op::text, '' ORDER BY seq) FROM audit.cdc WHERE table_name = 'parent'"),
              "IUDUD");
}

TEST_F(Shapes, WhatIsNoTableIsRefusedWithAHint) {
    app_.run(
        "CREATE VIEW v AS SELECT 1 AS id; CREATE MATERIALIZED VIEW m AS SELECT 1 AS id; CREATE TEMP TABLE tmp (id int);"
        "CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE ft (id int) "
        "SERVER f OPTIONS (filename '/dev/null')");
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('v')"), HasSubstr("a view"));
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('m')"), HasSubstr("a materialized view"));
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('ft')"), HasSubstr("a foreign table"));
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('tmp')"), HasSubstr("temporary"));
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('pg_class')"), HasSubstr("not a table of an application"));
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('audit.cdc_1')"), HasSubstr("not a table of an application"));
    EXPECT_THAT(error_of(app_, "SELECT audit.attach('nothing')"), HasSubstr("does not exist"));
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.relation"), 0);
}

}  // namespace
}  // namespace eider::test
