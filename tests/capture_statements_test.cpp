// What is recorded of each kind of statement, on a real server.
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
using testing::UnorderedElementsAre;

class Statements : public testing::Test {
protected:
    void SetUp() override {
        install_capture(app_);
        app_.run("CREATE TABLE t (id int PRIMARY KEY, v text)");
        attach(app_, "t");
    }

    std::vector<std::string> replayed(const std::string& table = "t") {
        return replay_differences(app_, table, {"id"});
    }

    Database database_ = fresh_database();
    Client app_{database_.uri};
};

TEST_F(Statements, InsertUpdateDeleteTruncateAreRecordedWithTheirRows) {
    app_.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    app_.run("UPDATE t SET v = 'c' WHERE id = 2");
    app_.run("DELETE FROM t WHERE id = 1");
    app_.run("TRUNCATE t");
    EXPECT_THAT(events(app_),
                ElementsAre(R"(I public.t {"id":1,"v":"a"})", R"(I public.t {"id":2,"v":"b"})",
                            R"(U public.t {"id":2,"v":"c"})", R"(D public.t {"id":1,"v":"a"})", "T public.t"));
}

TEST_F(Statements, AStatementWithoutRowsRecordsNothing) {
    app_.run("UPDATE t SET v = 'x'; DELETE FROM t; INSERT INTO t SELECT 1, 'a' WHERE false");
    EXPECT_THAT(events(app_), IsEmpty());
}

TEST_F(Statements, ARolledBackTransactionLeavesNothing) {
    app_.run("BEGIN; INSERT INTO t VALUES (1); ROLLBACK");
    EXPECT_THAT(events(app_), IsEmpty());
}

TEST_F(Statements, WhatASavepointTakesBackIsNotRecorded) {
    app_.run(
        "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s; INSERT INTO t VALUES "
        "(3);"
        "SAVEPOINT s; UPDATE t SET v = 'kept' WHERE id = 1; RELEASE s; COMMIT");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "I 3", "U 1"));
    EXPECT_THAT(replayed(), IsEmpty());
}

TEST_F(Statements, AllEventsOfATransactionCarryItsTopLevelId) {
    app_.run("BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); COMMIT");
    EXPECT_EQ(app_.number("SELECT count(DISTINCT xid) FROM audit.cdc"), 1);
}

TEST_F(Statements, AStatementThatFailsInAFunctionAndIsCaughtIsNotRecorded) {
    app_.run(
        "DO $$ BEGIN INSERT INTO t VALUES (1); BEGIN INSERT INTO t VALUES (2), (1); EXCEPTION WHEN unique_violation "
        "THEN NULL; END; END $$");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1"));
}

TEST_F(Statements, CopyIsRecordedRowByRow) {
    app_.run("COPY t FROM PROGRAM 'printf \"1\\ta\\n2\\tb\\n3\\tc\\n\"'");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "I 2", "I 3"));
}

TEST_F(Statements, MergeIsRecordedAsWhatItDidToEachRow) {
    if (app_.number("SHOW server_version_num") < 150000) GTEST_SKIP() << "MERGE came with PostgreSQL 15";
    app_.run("INSERT INTO t SELECT g, 'old' FROM generate_series(1, 4) AS g");
    forget_events(app_);
    app_.run(
        "MERGE INTO t USING (VALUES (2, 'update'), (3, 'delete'), (4, 'nothing'), (5, 'insert')) AS s (id, v) ON t.id "
        "= s.id "
        "WHEN MATCHED AND s.v = 'update' THEN UPDATE SET v = 'new' WHEN MATCHED AND s.v = 'delete' THEN DELETE "
        "WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)");
    EXPECT_THAT(short_events(app_), UnorderedElementsAre("I 5", "U 2", "D 3"));
}

TEST_F(Statements, MergeThatDeletesAKeyAndInsertsItAnewEndsWithTheNewRow) {
    if (app_.number("SHOW server_version_num") < 150000) GTEST_SKIP() << "MERGE came with PostgreSQL 15";
    app_.run("INSERT INTO t VALUES (1, 'old'), (2, 'old')");
    app_.run(
        "MERGE INTO t USING (VALUES (1, 1, 1), (2, NULL, 1)) AS s (place, matches, id) ON t.id = s.matches "
        "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'new')");
    EXPECT_THAT(replayed(), IsEmpty());
}

TEST_F(Statements, InsertOnConflictIsRecordedAsInsertOrUpdate) {
    app_.run("INSERT INTO t VALUES (1, 'a')");
    app_.run("INSERT INTO t VALUES (1, 'b'), (2, 'b') ON CONFLICT (id) DO UPDATE SET v = excluded.v");
    app_.run("INSERT INTO t VALUES (1, 'c'), (3, 'c') ON CONFLICT DO NOTHING");
    EXPECT_THAT(short_events(app_), UnorderedElementsAre("I 1", "U 1", "I 2", "I 3"));
    EXPECT_THAT(replayed(), IsEmpty());
}

TEST_F(Statements, WritableCommonTableExpressionsRecordEachPart) {
    app_.run(
        "INSERT INTO t SELECT g, 'a' FROM generate_series(1, 3) AS g; CREATE TABLE gone (id int PRIMARY KEY, v text)");
    attach(app_, "gone");
    forget_events(app_);
    app_.run(
        "WITH d AS (DELETE FROM t WHERE id < 3 RETURNING *), u AS (UPDATE t SET v = 'u' WHERE id = 3 RETURNING *) "
        "INSERT INTO gone SELECT * FROM d UNION ALL SELECT * FROM u");
    EXPECT_THAT(events(app_),
                UnorderedElementsAre(R"(D public.t {"id":1,"v":"a"})", R"(D public.t {"id":2,"v":"a"})",
                                     R"(U public.t {"id":3,"v":"u"})", R"(I public.gone {"id":1,"v":"a"})",
                                     R"(I public.gone {"id":2,"v":"a"})", R"(I public.gone {"id":3,"v":"u"})"));
}

TEST_F(Statements, TwoPartsOfAStatementThatUpdateOneTableAreRecordedOnceEach) {
    app_.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    forget_events(app_);
    app_.run("WITH u AS (UPDATE t SET v = 'x' WHERE id = 1 RETURNING *) UPDATE t SET v = 'y' WHERE id = 2");
    EXPECT_THAT(short_events(app_), UnorderedElementsAre("U 1", "U 2"));
}

TEST_F(Statements, DeletingAndInsertingAKeyInOneStatementEndsWithTheRow) {
    app_.run("INSERT INTO t VALUES (1, 'old')");
    app_.run("WITH d AS (DELETE FROM t RETURNING id) INSERT INTO t SELECT id, 'new' FROM d");
    EXPECT_THAT(replayed(), IsEmpty());
    EXPECT_EQ(app_.value("SELECT v FROM t"), "new");
}

TEST_F(Statements, ForeignKeyCascadesAreRecordedOnTheChildren) {
    app_.run(
        "CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);"
        "CREATE TABLE n (id int PRIMARY KEY, t int REFERENCES t ON DELETE SET NULL)");
    attach(app_, "c");
    attach(app_, "n");
    app_.run(
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO c VALUES (10, 1), (20, 2); INSERT INTO n VALUES (30, 2)");
    forget_events(app_);
    app_.run("UPDATE t SET id = 5 WHERE id = 1");
    app_.run("DELETE FROM t WHERE id = 2");
    EXPECT_THAT(events(app_),
                UnorderedElementsAre(R"(D public.t {"id":1,"v":"a"})", R"(U public.t {"id":5,"v":"a"})",
                                     R"(U public.c {"id":10,"t":5})", R"(D public.t {"id":2,"v":"b"})",
                                     R"(D public.c {"id":20,"t":2})", R"(U public.n {"id":30,"t":null})"));
}

TEST_F(Statements, ASelfReferencingCascadeEndsWithTheRows) {
    app_.run("CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON UPDATE CASCADE ON DELETE CASCADE)");
    attach(app_, "tree");
    app_.run("INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 1)");
    app_.run("UPDATE tree SET id = id + 10 WHERE id < 3");
    EXPECT_THAT(replay_differences(app_, "tree", {"id"}), IsEmpty());
    app_.run("DELETE FROM tree WHERE id = 12");
    EXPECT_THAT(replay_differences(app_, "tree", {"id"}), IsEmpty());
}

TEST_F(Statements, APreparedTransactionCountsWhenItCommits) {
    app_.run("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'p1'");
    EXPECT_THAT(events(app_), IsEmpty());
    app_.run("COMMIT PREPARED 'p1'");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1"));
    app_.run("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'p2'");
    app_.run("ROLLBACK PREPARED 'p2'");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1"));
}

TEST_F(Statements, ReplicaSessionsAreRecordedOnlyWithAlways) {
    app_.run("CREATE TABLE a (id int PRIMARY KEY, v text)");
    attach(app_, "a", R"({"always": true})");
    app_.run("SET session_replication_role = replica");
    for (const std::string table : {"t", "a"}) {
        app_.run("INSERT INTO " + table + " VALUES (1, 'x'), (2, 'x'); UPDATE " + table +
                 " SET v = 'y' WHERE id = 1; UPDATE " + table + " SET id = 3 WHERE id = 1; DELETE FROM " + table +
                 " WHERE id = 2; TRUNCATE " + table);
    }
    EXPECT_THAT(events(app_),
                ElementsAre(R"(I public.a {"id":1,"v":"x"})", R"(I public.a {"id":2,"v":"x"})",
                            R"(U public.a {"id":1,"v":"y"})", R"(D public.a {"id":1,"v":"y"})",
                            R"(U public.a {"id":3,"v":"y"})", R"(D public.a {"id":2,"v":"x"})", "T public.a"));
    forget_events(app_);
    app_.run(
        "SET session_replication_role = origin; INSERT INTO a VALUES (1, 'x'); UPDATE a SET id = 2; DELETE FROM a; "
        "TRUNCATE a");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "D 1", "U 2", "D 2", "T"));
}

TEST_F(Statements, AlwaysCanBeSetAndTakenBackLater) {
    app_.run(
        "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT");
    attach(app_, "p");
    for (const std::string table : {"t", "p"}) {
        const auto insert_as_both = [&](int id) {
            app_.run(
                fmt::format("SET session_replication_role = replica; INSERT INTO {0} VALUES ({1}); SET "
                            "session_replication_role = origin; INSERT INTO {0} VALUES ({2})",
                            table, id, id + 1));
        };
        const auto attach_with = [&](const std::string& options) {
            return app_.value(fmt::format("SELECT audit.attach('{}', '{}')", table, options));
        };
        EXPECT_EQ(attach_with(R"({"always": true})"), "t") << "something changed";
        EXPECT_EQ(attach_with(R"({"always": true})"), "f");
        insert_as_both(1);
        EXPECT_EQ(attach_with("{}"), "t") << "something changed";
        EXPECT_EQ(attach_with("{}"), "f");
        insert_as_both(3);
        EXPECT_THAT(short_events(app_), ElementsAre("I 1", "I 2", "I 4")) << table;
        forget_events(app_);
        EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    }
}

TEST_F(Statements, TruncateCascadeIsRecordedForEachTable) {
    app_.run("CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t)");
    attach(app_, "c");
    app_.run("TRUNCATE t CASCADE");
    EXPECT_THAT(events(app_), UnorderedElementsAre("T public.t", "T public.c"));
}

TEST_F(Statements, AChangedKeyEndsTheOldOneFirst) {
    app_.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    forget_events(app_);
    app_.run("UPDATE t SET id = id + 10, v = upper(v)");
    EXPECT_THAT(events(app_), ElementsAre(R"(D public.t {"id":1,"v":"a"})", R"(D public.t {"id":2,"v":"b"})",
                                          R"(U public.t {"id":11,"v":"A"})", R"(U public.t {"id":12,"v":"B"})"));
}

TEST_F(Statements, KeysSwappedInOneStatementEndWithBothRows) {
    app_.run("CREATE TABLE swap (id int PRIMARY KEY DEFERRABLE, v text)");
    attach(app_, "swap");
    app_.run("INSERT INTO swap SELECT g, 'v' || g FROM generate_series(-3, 3) AS g");
    app_.run("UPDATE swap SET id = -id");
    EXPECT_THAT(replay_differences(app_, "swap", {"id"}), IsEmpty());
    EXPECT_EQ(app_.value("SELECT v FROM swap WHERE id = 3"), "v-3");
}

TEST_F(Statements, CompositeKeysAndUniqueKeysCountAsKeys) {
    app_.run(
        "CREATE TABLE k (a int, b text, v int, PRIMARY KEY (a, b)); CREATE TABLE u (v int, name text NOT NULL UNIQUE, "
        "n int UNIQUE)");
    attach(app_, "k");
    attach(app_, "u");
    app_.run("INSERT INTO k VALUES (1, 'x', 0); INSERT INTO u VALUES (0, 'x', 1)");
    forget_events(app_);
    app_.run("UPDATE k SET b = 'y'; UPDATE k SET v = 1; UPDATE u SET name = 'y'; UPDATE u SET n = 2");
    EXPECT_THAT(events(app_),
                ElementsAre(R"(D public.k {"a":1,"b":"x","v":0})", R"(U public.k {"a":1,"b":"y","v":0})",
                            R"(U public.k {"a":1,"b":"y","v":1})", R"(D public.u {"v":0,"name":"x","n":1})",
                            R"(U public.u {"v":0,"name":"y","n":1})", R"(U public.u {"v":0,"name":"y","n":2})"));
}

TEST_F(Statements, AKeyThatIsEqualButNotIdenticalHasChanged) {
    app_.run("CREATE TABLE m (id numeric PRIMARY KEY)");
    attach(app_, "m");
    app_.run("INSERT INTO m VALUES (1.0)");
    app_.run("UPDATE m SET id = 1.00");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1.0", "D 1.0", "U 1.00"));
}

TEST_F(Statements, AKeyOfACollationThatIgnoresCaseIsComparedByItsBytes) {
    app_.run(
        "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE c "
        "(id text COLLATE nocase PRIMARY KEY)");
    attach(app_, "c");
    app_.run("INSERT INTO c VALUES ('a'); UPDATE c SET id = 'A'");
    EXPECT_THAT(short_events(app_), ElementsAre("I a", "D a", "U A"));
}

TEST_F(Statements, AKeyThatATriggerOfTheApplicationChangesIsSeen) {
    app_.run(
        "CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := NEW.id + 100; RETURN NEW; END';"
        "INSERT INTO t VALUES (1, 'a'); CREATE TRIGGER shift BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION shift(); "
        "UPDATE t SET v = 'b'");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "D 1", "U 101"));
}

TEST_F(Statements, AConfiguredKeyIsWatchedWhereNoConstraintSaysSo) {
    app_.run("CREATE TABLE nokey (id int, v text)");
    attach(app_, "nokey", R"({"key": ["id"]})");
    app_.run("INSERT INTO nokey VALUES (1, 'a'); UPDATE nokey SET id = 2");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "D 1", "U 2"));
}

TEST_F(Statements, KeysOfRowsThatShareThemAreWatchedToo) {
    app_.run("CREATE TABLE nokey (id int, v text)");
    attach(app_, "nokey", R"({"key": ["id"]})");
    app_.run("INSERT INTO nokey VALUES (1), (1), (NULL)");
    forget_events(app_);
    app_.run(
        "UPDATE nokey SET id = 2 WHERE id = 1; UPDATE nokey SET id = 3 WHERE id IS NULL; UPDATE nokey SET id = NULL "
        "WHERE id = 3");
    EXPECT_THAT(short_events(app_), ElementsAre("D 1", "D 1", "U 2", "U 2", "D", "U 3", "D 3", "U"));
}

TEST_F(Statements, StatementsInsideTriggersAreMarkedAsNested) {
    app_.run(
        "CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF pg_trigger_depth() < 2 THEN UPDATE t SET v = v || '+' WHERE id = NEW.id; END IF; RETURN NULL; END $$;"
        "CREATE TRIGGER a_count_up AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION count_up()");
    app_.run("INSERT INTO t VALUES (1, 'a')");
    // The inner statement is recorded before the outer one, though it made the newer version: that is what the mark is for.
    EXPECT_THAT(events(app_), ElementsAre(R"(U public.t {"id":1,"v":"a+"} nested)", R"(I public.t {"id":1,"v":"a"})"));
}

TEST_F(Statements, StatementsInFunctionsAndCascadesOfThemAreNotNested) {
    app_.run(
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'INSERT INTO t VALUES (1)'; SELECT f(); DO 'BEGIN INSERT "
        "INTO t VALUES (2); END'");
    EXPECT_THAT(events(app_), ElementsAre(R"(I public.t {"id":1,"v":null})", R"(I public.t {"id":2,"v":null})"));
}

TEST_F(Statements, ViewsRulesAndForeignWritersEndInTheTable) {
    app_.run(
        "CREATE VIEW v AS SELECT id, v FROM t WHERE id > 0; INSERT INTO v VALUES (1, 'a'); UPDATE v SET v = 'b'; "
        "DELETE FROM v");
    EXPECT_THAT(short_events(app_), ElementsAre("I 1", "U 1", "D 1"));
}

TEST_F(Statements, AStatementThatCannotBeRecordedFailsWithTheNameOfEiderAndTheWayOut) {
    app_.run("DROP TABLE audit.cdc_1 CASCADE");
    try {
        app_.run("INSERT INTO t VALUES (1)");
        FAIL() << "recorded nowhere";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("eider doctor"));
        EXPECT_THAT(error.what(), HasSubstr("audit.detach"));
    }
}

TEST_F(Statements, RandomStatementsReplayToTheTable) {
    app_.run("CREATE TABLE r (id int PRIMARY KEY DEFERRABLE, v int)");
    attach(app_, "r");
    app_.run("SELECT setseed(0.42)");
    for (int round = 0; round < 60; ++round) {
        app_.run(R"(DO $$ DECLARE k int := (random() * 20)::int; BEGIN
            BEGIN
                CASE (random() * 6)::int
                    WHEN 0 THEN INSERT INTO r SELECT g, k FROM generate_series(k, k + 5) AS g WHERE g NOT IN (SELECT id FROM r);
                    WHEN 1 THEN UPDATE r SET v = v + 1 WHERE id % 3 = k % 3;
                    WHEN 2 THEN UPDATE r SET id = -id;
                    WHEN 3 THEN DELETE FROM r WHERE id % 4 = k % 4;
                    WHEN 4 THEN UPDATE r SET id = id + 7 WHERE id < k;
                    WHEN 5 THEN WITH d AS (DELETE FROM r WHERE id > k RETURNING *) INSERT INTO r SELECT id, v + 100 FROM d;
                    ELSE IF k = 3 THEN TRUNCATE r; END IF;
                END CASE;
            EXCEPTION WHEN unique_violation THEN NULL; END;
        END $$)");
    }
    EXPECT_GT(app_.number("SELECT count(*) FROM audit.cdc"), 100);
    EXPECT_THAT(replay_differences(app_, "r", {"id"}), IsEmpty());
}

}  // namespace
}  // namespace eider::test
