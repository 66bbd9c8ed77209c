// What exclude, hash, where, before and context do, also while columns come, go and change their names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "support/capture.h"
#include "support/server.h"

namespace eider::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Options : public testing::Test {
protected:
    void SetUp() override {
        install_capture(app_);
        app_.run("CREATE TABLE t (id int PRIMARY KEY, name text, ssn text, n int)");
    }

    std::string error_of(const std::string& sql) {
        try {
            app_.run(sql);
            return "";
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }

    Database database_ = fresh_database();
    Client app_{database_.uri};
};

// --- exclude ---------------------------------------------------------------------------------------------------------

TEST_F(Options, AnExcludedColumnNeverReachesTheChangeLog) {
    attach(app_, "t", R"({"exclude": ["ssn"], "before": true})");
    app_.run(
        "INSERT INTO t VALUES (1, 'a', 'secret', 1); UPDATE t SET ssn = 'secret2'; UPDATE t SET id = 2; DELETE FROM t");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc"), 5);
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE concat(data, before) LIKE '%s%cret%'"), 0);
}

TEST_F(Options, AnExcludedColumnIsNotEvenRead) {
    app_.run(
        "CREATE TYPE touchy AS ENUM ('x');"
        "CREATE FUNCTION touch(touchy) RETURNS json LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''touched''; END'; "
        "CREATE CAST (touchy AS json) WITH FUNCTION touch(touchy);"
        "ALTER TABLE t ADD COLUMN big touchy");
    attach(app_, "t");
    EXPECT_THAT(error_of("INSERT INTO t VALUES (1, 'a', 's', 1, 'x')"), HasSubstr("touched"));
    attach(app_, "t", R"({"exclude": ["big"]})");
    app_.run("INSERT INTO t VALUES (1, 'a', 's', 1, 'x'); UPDATE t SET n = 2; UPDATE t SET id = 2; DELETE FROM t");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "U 1", "D 1", "U 2", "D 2"));
}

TEST_F(Options, AnExcludedColumnStaysOutUnderANewNameAndOthersGoOnUnderTheirs) {
    attach(app_, "t", R"({"exclude": ["ssn"]})");
    app_.run(
        "ALTER TABLE t RENAME ssn TO social; ALTER TABLE t RENAME name TO full_name; INSERT INTO t VALUES (1, 'a', "
        "'secret', 1)");
    app_.run("SELECT audit.refresh(); INSERT INTO t VALUES (2, 'b', 'secret', 2)");
    EXPECT_THAT(events(app_), ElementsAre(R"(I public.t {"id":1,"full_name":"a","n":1})",
                                          R"(I public.t {"id":2,"full_name":"b","n":2})"));
}

TEST_F(Options, ColumnsThatSwapTheirNamesKeepTheirRoles) {
    attach(app_, "t", R"({"exclude": ["ssn"]})");
    app_.run(
        "ALTER TABLE t RENAME ssn TO x; ALTER TABLE t RENAME name TO ssn; ALTER TABLE t RENAME x TO name; INSERT INTO "
        "t VALUES (1, 'public', 'secret', 1)");
    EXPECT_THAT(events(app_), ElementsAre(R"(I public.t {"id":1,"ssn":"public","n":1})"));
}

TEST_F(Options, DroppingAListedColumnBreaksNoStatement) {
    attach(app_, "t", R"({"exclude": ["ssn"], "hash": ["name"], "before": true, "context": true})");
    app_.run(
        "INSERT INTO t VALUES (1, 'a', 's', 1); ALTER TABLE t DROP COLUMN name, DROP COLUMN ssn; UPDATE t SET n = 2; "
        "INSERT INTO t VALUES (2, 3); DELETE FROM t");
    EXPECT_THAT(short_events(app_, "n"), ElementsAre("I 1", "U 2", "I 3", "D 2", "D 3"));
    app_.run("SELECT audit.refresh(); INSERT INTO t VALUES (3, 4)");
    EXPECT_THAT(short_events(app_, "n"), testing::Contains("I 4"));
}

TEST_F(Options, ANewColumnIsLeftOutUntilSomebodyDecides) {
    attach(app_, "t", R"({"exclude": ["ssn"]})");
    app_.run("ALTER TABLE t ADD COLUMN later text; INSERT INTO t VALUES (1, 'a', 's', 1, 'x')");
    attach(app_, "t", R"({"exclude": ["ssn"]})");
    app_.run("INSERT INTO t VALUES (2, 'a', 's', 1, 'x')");
    app_.run(R"(SELECT audit.attach('t', '{"exclude": ["ssn"]}', true); INSERT INTO t VALUES (3, 'a', 's', 1, 'x'))");
    EXPECT_THAT(events(app_),
                ElementsAre(R"(I public.t {"id":1,"name":"a","n":1})", R"(I public.t {"id":2,"name":"a","n":1})",
                            R"(I public.t {"id":3,"name":"a","n":1,"later":"x"})"));
}

TEST_F(Options, AColumnThatComesBackUnderAnExcludedNameIsANewColumn) {
    attach(app_, "t", R"({"exclude": ["ssn"]})");
    app_.run(
        "ALTER TABLE t DROP COLUMN ssn; ALTER TABLE t ADD COLUMN ssn text; INSERT INTO t VALUES (1, 'a', 1, 'secret')");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE data::text LIKE '%secret%'"), 0);
}

// --- hash ------------------------------------------------------------------------------------------------------------

TEST_F(Options, AHashIsTheHmacOfTheValuesTextUnderTheKey) {
    // RFC 4231, test case 2.
    app_.run("SELECT audit.set_hash_key('Jefe'::bytea)");
    EXPECT_EQ(app_.value("SELECT audit.keyed_hash('what do ya want for nothing?')"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    // Test case 6: a key longer than a block.
    app_.run("SELECT audit.set_hash_key(decode(repeat('aa', 131), 'hex'))");
    EXPECT_EQ(app_.value("SELECT audit.keyed_hash('Test Using Larger Than Block-Size Key - Hash Key First')"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_F(Options, AHashedColumnIsEqualForEqualValuesAndNullForNull) {
    attach(app_, "t", R"({"hash": ["ssn", "n"]})");
    app_.run("INSERT INTO t VALUES (1, 'a', 'same', 7), (2, 'b', 'same', NULL), (3, 'c', NULL, 7), (4, 'd', '', 8)");
    EXPECT_EQ(app_.number("SELECT count(DISTINCT data ->> 'ssn') FROM audit.cdc"), 2);
    EXPECT_EQ(app_.number("SELECT count(DISTINCT data ->> 'n') FROM audit.cdc"), 2);
    EXPECT_EQ(
        app_.value("SELECT string_agg(data ->> 'id', ',' ORDER BY seq) FROM audit.cdc WHERE data ->> 'ssn' IS NULL"),
        "3");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE length(data ->> 'ssn') = 64"), 3);
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE data ->> 'ssn' = encode(sha256('same'), 'hex')"), 0)
        << "not keyed";
}

TEST_F(Options, AHashedKeyStillIdentifiesItsRow) {
    attach(app_, "t", R"({"hash": ["id"]})");
    app_.run("INSERT INTO t VALUES (1, 'a', 's', 1); UPDATE t SET id = 2; DELETE FROM t");
    EXPECT_EQ(app_.value("SELECT string_agg(op::text, '' ORDER BY seq) FROM audit.cdc"), "IDUD");
    EXPECT_EQ(app_.number("SELECT count(DISTINCT data ->> 'id') FROM audit.cdc"), 2);
}

TEST_F(Options, AHashedColumnStaysHashedUnderANewName) {
    attach(app_, "t", R"({"hash": ["ssn"]})");
    app_.run(
        "INSERT INTO t VALUES (1, 'a', 'secret', 1); ALTER TABLE t RENAME ssn TO social; INSERT INTO t VALUES (2, 'a', "
        "'secret', 1); SELECT audit.refresh();"
        "INSERT INTO t VALUES (3, 'a', 'secret', 1)");
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE data::text LIKE '%secret%'"), 0);
    EXPECT_EQ(app_.number("SELECT count(DISTINCT coalesce(data ->> 'ssn', data ->> 'social')) FROM audit.cdc"), 1);
}

// --- where -----------------------------------------------------------------------------------------------------------

TEST_F(Options, OnlyRowsThatPassTheFilterAreRecorded) {
    attach(app_, "t", R"({"where": "n > 10"})");
    app_.run("INSERT INTO t VALUES (1, 'in', 's', 11), (2, 'out', 's', 1), (3, 'null', 's', NULL)");
    app_.run("UPDATE t SET name = 'x'");           // U 1
    app_.run("UPDATE t SET n = 20 WHERE id = 2");  // enters: U 2
    app_.run("UPDATE t SET n = 0 WHERE id = 1");   // leaves: D 1
    app_.run("UPDATE t SET n = 1 WHERE id = 1");   // stays out
    app_.run("DELETE FROM t");                     // D 2
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "U 1", "U 2", "D 1", "D 2"));
}

TEST_F(Options, ARowThatLeavesTheFilterEndsBeforeAnotherTakesItsKey) {
    app_.run("CREATE TABLE s (id int PRIMARY KEY DEFERRABLE, kept boolean)");
    attach(app_, "s", R"({"where": "kept"})");
    app_.run("INSERT INTO s VALUES (1, true), (2, true); UPDATE s SET id = 3 - id, kept = (id = 2)");
    EXPECT_EQ(
        app_.value("SELECT string_agg(op::text || (data ->> 'id'), ' ' ORDER BY seq) FROM audit.cdc WHERE seq > 2"),
        "D1 D2 U1");
}

TEST_F(Options, ARowThatEntersTheFilterShowsNothingOfWhatItWas) {
    attach(app_, "t", R"({"where": "n > 10", "before": true})");
    app_.run("INSERT INTO t VALUES (1, 'secret', 's', 1); UPDATE t SET n = 11, name = 'a'; UPDATE t SET name = 'b'");
    EXPECT_EQ(app_.value("SELECT string_agg(coalesce(before ->> 'name', 'none'), ',' ORDER BY seq) FROM audit.cdc"),
              "none,a");
}

TEST_F(Options, OldAndNewRowsArePairedInEveryKindOfStatement) {
    attach(app_, "t", R"({"before": true, "where": "id > 0"})");
    app_.run("INSERT INTO t SELECT g, 'v' || g, 's', g FROM generate_series(1, 2000) AS g");
    for (int i = 0; i < 8; ++i)
        app_.run("UPDATE t SET n = n + 1 WHERE id = 1");  // until the plan for one row is cached
    app_.run("SET statement_timeout = '20s'; UPDATE t SET n = n + 1 WHERE id % 2 = 0");
    app_.run(
        "INSERT INTO t SELECT g, 'w', 's', 0 FROM generate_series(1500, 2500) AS g ON CONFLICT (id) DO UPDATE SET n = "
        "t.n + 10");
    app_.run("UPDATE t SET n = x.m FROM (SELECT id, n + 5 AS m FROM t ORDER BY random()) AS x WHERE x.id = t.id");
    app_.run("WITH a AS (UPDATE t SET n = n + 1 WHERE id < 500 RETURNING 1) UPDATE t SET n = n + 2 WHERE id > 600");
    if (app_.number("SHOW server_version_num") >= 150000) {
        app_.run(
            "MERGE INTO t USING generate_series(1, 3000) AS s ON s = t.id WHEN MATCHED AND s % 3 = 0 THEN DELETE WHEN "
            "MATCHED THEN UPDATE SET n = n + 7 "
            "WHEN NOT MATCHED THEN INSERT VALUES (s, 'm', 's', 0)");
    }
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE op = 'U' AND data ->> 'id' <> before ->> 'id'"), 0);
    EXPECT_GT(app_.number("SELECT count(*) FROM audit.cdc WHERE op = 'U' AND before IS NOT NULL"), 5000);
    EXPECT_THAT(replay_differences(app_, "t", {"id"}), IsEmpty());
}

TEST_F(Options, AFilterFollowsARenamedColumnAndPassesNothingOnceItIsGone) {
    attach(app_, "t", R"({"where": "n > 10 and r.name <> 'x'"})");
    app_.run(
        "ALTER TABLE t RENAME n TO amount; INSERT INTO t VALUES (1, 'a', 's', 11), (2, 'a', 's', 1); SELECT "
        "audit.refresh();"
        "INSERT INTO t VALUES (3, 'a', 's', 11), (4, 'a', 's', 1)");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "I 3"));
    app_.run(
        "ALTER TABLE t DROP COLUMN amount; INSERT INTO t VALUES (5, 'a', 's'); UPDATE t SET name = 'b'; SELECT "
        "audit.refresh(); DELETE FROM t");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "I 3"));
}

TEST_F(Options, AFilterMayUseOnlyItsTableAndWhatPostgresBrings) {
    app_.run("CREATE TABLE other (id int); CREATE FUNCTION mine(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'");
    EXPECT_THAT(error_of(R"sql(SELECT audit.attach('t', '{"where": "id IN (SELECT id FROM public.other)"}'))sql"),
                HasSubstr("uses"));
    EXPECT_THAT(error_of(R"sql(SELECT audit.attach('t', '{"where": "public.mine(id)"}'))sql"),
                HasSubstr("uses function"));
    EXPECT_THAT(error_of(R"(SELECT audit.attach('t', '{"where": "nothing > 1"}'))"),
                HasSubstr("no condition on its columns"));
    EXPECT_THAT(error_of(R"(SELECT audit.attach('t', '{"where": "id >"}'))"), HasSubstr("no condition on its columns"));
    EXPECT_THAT(error_of(R"(SELECT audit.attach('t', '{"where": "name"}'))"), HasSubstr("no condition on its columns"));
    EXPECT_EQ(app_.number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'eider%'"), 0);
}

TEST_F(Options, AFilterMayEndInAComment) {
    attach(app_, "t", R"({"where": "n > 10 -- only the big ones"})");
    app_.run("INSERT INTO t VALUES (1, 'a', 's', 11), (2, 'a', 's', 1)");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1"));
}

// --- before, context -------------------------------------------------------------------------------------------------

TEST_F(Options, BeforeHoldsTheRowAsItWas) {
    attach(app_, "t", R"({"before": true})");
    app_.run("INSERT INTO t VALUES (1, 'a', 's', 1), (2, 'b', 's', 2); UPDATE t SET name = name || '+', id = id + 10");
    EXPECT_EQ(app_.value("SELECT string_agg(concat(op, data ->> 'name', '<', before ->> 'name'), ' ' ORDER BY seq) "
                         "FROM audit.cdc WHERE seq > 2"),
              "Da< Db< Ua+<a Ub+<b");
}

TEST_F(Options, BeforeFollowsAddedRenamedAndDroppedColumnsByItself) {
    attach(app_, "t", R"({"before": true})");
    app_.run(
        "INSERT INTO t VALUES (1, 'a', 's', 1); ALTER TABLE t ADD COLUMN later int DEFAULT 5; ALTER TABLE t RENAME "
        "name TO title; ALTER TABLE t DROP COLUMN ssn; UPDATE t SET n = 2");
    EXPECT_EQ(app_.value("SELECT before FROM audit.cdc WHERE op = 'U'"), R"({"id":1,"title":"a","n":1,"later":5})");
}

TEST_F(Options, ContextSaysWhoAndWhatTheApplicationSet) {
    attach(app_, "t", R"({"context": true})");
    app_.run(
        "SET application_name = 'shop \"web\"'; BEGIN; SET LOCAL eider.context = '{\"user\": 7}'; INSERT INTO t VALUES "
        "(1); COMMIT; INSERT INTO t VALUES (2); TRUNCATE t");
    EXPECT_EQ(app_.value("SELECT context ->> 'session_user' FROM audit.cdc WHERE op = 'T'"), "postgres");
    EXPECT_EQ(
        app_.value(
            "SELECT string_agg(coalesce(context -> 'eider' ->> 'user', 'none'), ',' ORDER BY seq) FROM audit.cdc"),
        "7,none,none");
    EXPECT_EQ(app_.value("SELECT context ->> 'application_name' FROM audit.cdc LIMIT 1"), "shop \"web\"");
}

TEST_F(Options, AContextThatIsNoJsonIsKeptAsTextAndBreaksNothing) {
    attach(app_, "t", R"({"context": true})");
    app_.run("SET eider.context = '{broken \"'; INSERT INTO t VALUES (1)");
    EXPECT_EQ(app_.value("SELECT context ->> 'eider' FROM audit.cdc"), "{broken \"");
}

TEST_F(Options, ContextNamesTheUserWhoLoggedInNotTheRoleThatRecords) {
    app_.run("DROP ROLE IF EXISTS context_app; CREATE ROLE context_app LOGIN; GRANT INSERT ON t TO context_app");
    attach(app_, "t", R"({"context": true})");
    Client(shared_server().address().socket_string(database_.name) + " options='-c role=context_app'")
        .run("INSERT INTO t VALUES (1)");
    EXPECT_EQ(app_.value("SELECT context ->> 'session_user' FROM audit.cdc"), "postgres");
    app_.run("REVOKE ALL ON t FROM context_app; DROP ROLE context_app");
}

// --- the options themselves ------------------------------------------------------------------------------------------

TEST_F(Options, OptionsThatAreWrongAreRefusedBeforeAnythingIsChanged) {
    EXPECT_THAT(error_of(R"(SELECT audit.attach('t', '{"exclude": ["sssn"]}'))"), HasSubstr("has no column sssn"));
    EXPECT_THAT(error_of(R"(SELECT audit.attach('t', '{"exlude": ["ssn"]}'))"), HasSubstr("no such option"));
    EXPECT_THAT(error_of(R"(SELECT audit.attach('t', '{"exclude": "ssn"}'))"), HasSubstr("not of its type"));
    EXPECT_THAT(error_of(R"(SELECT audit.attach('t', '["ssn"]'))"), HasSubstr("no JSON object"));
    EXPECT_EQ(app_.number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'eider%'"), 0);
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.relation"), 0);
}

TEST_F(Options, ChangingOptionsBackLeavesNoTraceOfThem) {
    attach(app_, "t", R"({"exclude": ["ssn"], "always": true, "before": true})");
    attach(app_, "t");
    app_.run("INSERT INTO t VALUES (1, 'a', 's', 1)");
    EXPECT_THAT(events(app_), ElementsAre(R"(I public.t {"id":1,"name":"a","ssn":"s","n":1})"));
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    EXPECT_EQ(app_.number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass"), 4);
}

TEST_F(Options, HoldAcrossRotations) {
    attach(app_, "t", R"({"exclude": ["ssn"], "hash": ["name"], "before": true, "context": true, "where": "n > 0"})");
    for (int i = 0; i < 4; ++i) {
        app_.run(fmt::format("INSERT INTO t VALUES ({}, 'a', 'secret', 1); SELECT audit.rotate()", i));
    }
    EXPECT_EQ(app_.number("SELECT count(DISTINCT slot) FROM audit.cdc"), 3);
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE data::text LIKE '%secret%' OR data ->> 'name' = 'a'"),
              0);
}

}  // namespace
}  // namespace eider::test
