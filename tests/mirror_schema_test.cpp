// Mirrors follow their tables through changes of the schema: whatever happened between two batches, with rows written
// under each shape, the next one makes them equal.
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/mirrors.h"

namespace eider::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Row = Pipeline::Row;

// A change of the schema in three places: alone, among writes of the same batch, and followed by writes of the next.
class MirrorSchema : public testing::Test {
protected:
    void SetUp() override {
        run("CREATE TABLE t (id int PRIMARY KEY, a int, b text)");
        mirrored_.init();
        run("INSERT INTO t SELECT n, n * 10, 'row ' || n FROM generate_series(1, 5) AS n");
        mirrored_.sync();
    }

    std::vector<Client::Row> run(const std::string& sql) { return mirrored_.run(sql); }

    // "" when the mirror of `table` is its source after the next sync.
    std::string differences_now(const std::string& table = "t") {
        mirrored_.sync();
        return mirrored_.differences(table) + mirrored_.verify();
    }

    // `ddl` with writes before and after it in one batch, then a batch of its own for each of `later`.
    std::string differences_around(const std::string& ddl, const std::vector<std::string>& later = {},
                                   const std::string& table = "t") {
        run("UPDATE t SET b = 'before' WHERE id = 1; INSERT INTO t (id) VALUES (100); DELETE FROM t WHERE id = 2");
        run(ddl);
        std::string out = differences_now(table);
        for (const auto& statement : later) {
            run(statement);
            const std::string wrong = differences_now(table);
            if (!wrong.empty()) out += "after " + statement + ": " + wrong;
        }
        return out;
    }

    std::vector<std::string> lake_tables() {
        std::vector<std::string> names;
        for (const auto& row :
             mirrored_.peek("SELECT table_schema || '.' || table_name AS n FROM information_schema.tables WHERE "
                            "table_catalog = 'lake' AND table_schema <> 'eider' AND table_name <> 'cdc' ORDER BY n"))
            names.push_back(row.at(0));
        return names;
    }

    Mirrored mirrored_;
};

// --- columns that come ---------------------------------------------------------------------------------------------------

TEST_F(MirrorSchema, TakesAnAddedColumn) {
    EXPECT_EQ(differences_around("ALTER TABLE t ADD c int; UPDATE t SET c = 1 WHERE id = 3",
                                 {"UPDATE t SET c = id", "INSERT INTO t VALUES (6, 1, 'x', 2)"}),
              "");
}

TEST_F(MirrorSchema, TakesAnAddedColumnWithAConstantDefault) {
    EXPECT_EQ(differences_around("ALTER TABLE t ADD c text DEFAULT 'constant'",
                                 {"UPDATE t SET a = 0 WHERE id = 3",
                                  "ALTER TABLE t ALTER c SET DEFAULT 'other'; INSERT INTO t (id) VALUES (6)"}),
              "");
}

TEST_F(MirrorSchema, TakesAnAddedColumnWithAVolatileDefault) {
    EXPECT_EQ(differences_around(
                  "ALTER TABLE t ADD c uuid DEFAULT gen_random_uuid(), ADD d double precision DEFAULT random()",
                  {"UPDATE t SET a = 0 WHERE id = 3"}),
              "");
}

TEST_F(MirrorSchema, TakesAnAddedColumnThatIsNeverNull) {
    EXPECT_EQ(differences_around("ALTER TABLE t ADD c int NOT NULL DEFAULT 7",
                                 {"INSERT INTO t (id, c) VALUES (6, 8)",
                                  "ALTER TABLE t ALTER c DROP NOT NULL; UPDATE t SET c = NULL"}),
              "");
}

TEST_F(MirrorSchema, TakesAnAddedGeneratedColumn) {
    EXPECT_EQ(differences_around(
                  "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a * 2) STORED",
                  {"UPDATE t SET a = a + 1", "ALTER TABLE t ALTER c DROP EXPRESSION; UPDATE t SET c = 0 WHERE id = 1"}),
              "");
}

TEST_F(MirrorSchema, TakesAnAddedIdentityColumn) {
    EXPECT_EQ(differences_around("ALTER TABLE t ADD c bigint GENERATED ALWAYS AS IDENTITY",
                                 {"INSERT INTO t (id) VALUES (6)"}),
              "");
}

TEST_F(MirrorSchema, TakesAColumnThatWasDroppedAndAddedAgain) {
    EXPECT_EQ(
        differences_around("ALTER TABLE t DROP b; ALTER TABLE t ADD b text; UPDATE t SET b = 'again' WHERE id = 3",
                           {"UPDATE t SET b = 'x'"}),
        "");
}

// --- columns that go or change ---------------------------------------------------------------------------------------------

TEST_F(MirrorSchema, LosesADroppedColumn) {
    EXPECT_EQ(differences_around("ALTER TABLE t DROP a", {"INSERT INTO t VALUES (6, 'x')", "UPDATE t SET b = 'y'"}),
              "");
}

TEST_F(MirrorSchema, RenamesAColumn) {
    EXPECT_EQ(differences_around(
                  "ALTER TABLE t RENAME b TO \"B 2\"",
                  {"UPDATE t SET \"B 2\" = 'y'", "ALTER TABLE t RENAME id TO key; UPDATE t SET key = key + 1000"}),
              "");
}

TEST_F(MirrorSchema, RenamesAColumnIntoOneThatDiffersInCaseOnly) {
    EXPECT_EQ(differences_around("ALTER TABLE t RENAME b TO \"B\"", {"UPDATE t SET \"B\" = 'y'"}), "");
}

TEST_F(MirrorSchema, SwapsTwoColumnsInOneTransaction) {
    EXPECT_EQ(differences_around("BEGIN; ALTER TABLE t ADD c int DEFAULT 5; ALTER TABLE t RENAME a TO x; ALTER TABLE t "
                                 "RENAME c TO a; ALTER TABLE t RENAME x TO c; COMMIT; UPDATE t SET a = 1 WHERE id = 3",
                                 {"UPDATE t SET a = 2, c = 3 WHERE id = 4"}),
              "");
}

TEST_F(MirrorSchema, FollowsRowsThatWereWrittenWhileColumnsHadOtherNames) {
    run("ALTER TABLE t ADD c int DEFAULT 5");
    ASSERT_EQ(differences_now(), "");
    run("BEGIN; ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME c TO a; ALTER TABLE t RENAME x TO c; COMMIT; "
        "UPDATE t SET a = 1 WHERE id = 3; ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME c TO a; ALTER TABLE t "
        "RENAME x TO c");
    EXPECT_EQ(differences_now(), "");
    run("ALTER TABLE t RENAME b TO x; UPDATE t SET x = 'written as x' WHERE id = 4; ALTER TABLE t RENAME x TO b");
    EXPECT_EQ(differences_now(), "");
    run("ALTER TABLE t RENAME id TO x; DELETE FROM t WHERE x = 4; UPDATE t SET x = 7 WHERE x = 5; ALTER TABLE t RENAME "
        "x TO id");
    EXPECT_EQ(differences_now(), "");
    run("ALTER TABLE t ADD d int; UPDATE t SET d = 1; ALTER TABLE t DROP d");
    EXPECT_EQ(differences_now(), "");
}

TEST_F(MirrorSchema, WidensTypes) {
    EXPECT_EQ(differences_around("ALTER TABLE t ALTER a TYPE bigint; UPDATE t SET a = 9223372036854775807 WHERE id = 3",
                                 {"UPDATE t SET a = -a WHERE a IS NOT NULL",
                                  "ALTER TABLE t ALTER a TYPE numeric(30,5); UPDATE t SET a = 0.12345"}),
              "");
}

TEST_F(MirrorSchema, NarrowsAndChangesTypes) {
    EXPECT_EQ(differences_around("ALTER TABLE t ALTER a TYPE text USING 'a' || a",
                                 {"UPDATE t SET a = 'text'",
                                  "ALTER TABLE t ALTER a TYPE int USING length(a); UPDATE t SET a = 1 WHERE id = 3",
                                  "ALTER TABLE t ALTER a TYPE smallint, ALTER b TYPE varchar(20)",
                                  "ALTER TABLE t ALTER a TYPE boolean USING a > 1"}),
              "");
}

TEST_F(MirrorSchema, ChangesTheTypeOfTheKey) {
    EXPECT_EQ(
        differences_around("ALTER TABLE t ALTER id TYPE bigint; UPDATE t SET id = id + 10000000000",
                           {"UPDATE t SET id = -id", "ALTER TABLE t ALTER id TYPE text; UPDATE t SET id = 'k' || id",
                            "DELETE FROM t WHERE id LIKE '%3'"}),
        "");
}

TEST_F(MirrorSchema, ChangesAnEnumsLabels) {
    run("CREATE TYPE mood AS ENUM ('sad', 'happy'); ALTER TABLE t ADD m mood DEFAULT 'sad'");
    ASSERT_EQ(differences_now(), "");
    run("ALTER TYPE mood ADD VALUE 'so so' BEFORE 'happy'");
    run("UPDATE t SET m = 'so so' WHERE id = 1");
    EXPECT_EQ(differences_now(), "");
    run("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'");
    run("UPDATE t SET a = 1 WHERE id = 2");
    EXPECT_EQ(differences_now(), "");
}

TEST_F(MirrorSchema, ChangesTheTypeBelowADomain) {
    run("CREATE DOMAIN small AS int CHECK (value < 1000); ALTER TABLE t ADD d small DEFAULT 5");
    ASSERT_EQ(differences_now(), "");
    EXPECT_EQ(differences_around("ALTER DOMAIN small DROP CONSTRAINT small_check; UPDATE t SET d = 5000",
                                 {"ALTER TABLE t ALTER d TYPE text; UPDATE t SET d = 'x'"}),
              "");
}

// --- names -------------------------------------------------------------------------------------------------------------------

TEST_F(MirrorSchema, RenamesATable) {
    EXPECT_EQ(differences_around("ALTER TABLE t RENAME TO u; UPDATE u SET b = 'after'",
                                 {"INSERT INTO u VALUES (6, 1, 'x')"}, "u"),
              "");
    EXPECT_THAT(lake_tables(), ElementsAre("public.u"));
}

TEST_F(MirrorSchema, MovesATableIntoAnotherSchema) {
    EXPECT_EQ(differences_around("CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s; UPDATE s.t SET b = 'after'",
                                 {"DELETE FROM s.t WHERE id = 3"}, "s.t"),
              "");
}

TEST_F(MirrorSchema, RenamesASchema) {
    run("CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s");
    EXPECT_EQ(differences_now("s.t"), "");
    run("ALTER SCHEMA s RENAME TO z; UPDATE z.t SET a = 0");
    EXPECT_EQ(differences_now("z.t"), "");
    EXPECT_THAT(lake_tables(), ElementsAre("z.t"));
}

TEST_F(MirrorSchema, SwapsTheNamesOfTwoTables) {
    run("CREATE TABLE u (id int PRIMARY KEY, c date); INSERT INTO u VALUES (1, '2026-03-01')");
    ASSERT_EQ(differences_now("u"), "");
    EXPECT_EQ(differences_around(
                  "BEGIN; ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t; ALTER TABLE x RENAME TO u; COMMIT",
                  {"UPDATE u SET a = 1; UPDATE t SET c = NULL"}),
              "");
    EXPECT_EQ(mirrored_.differences("u"), "");
}

TEST_F(MirrorSchema, GivesTheNameOfOneTableToAnother) {
    for (int round = 0; round < 2; ++round) {
        run("CREATE TABLE t_new (id int PRIMARY KEY, round int); INSERT INTO t_new VALUES (1, 1)");
        ASSERT_EQ(differences_now("t_new"), "");
        run("BEGIN; ALTER TABLE t RENAME TO t_old; ALTER TABLE t_new RENAME TO t; COMMIT; INSERT INTO t VALUES (2, 2); "
            "UPDATE t_old SET id = -id");
        EXPECT_EQ(differences_now(), "");
        EXPECT_EQ(mirrored_.differences("t_old"), "");
        run("BEGIN; DROP TABLE t; ALTER TABLE t_old RENAME TO t; COMMIT");
        EXPECT_EQ(differences_now(), "");
        EXPECT_THAT(lake_tables(), ElementsAre("public.t"));
    }
}

TEST_F(MirrorSchema, MovesNamesAlongAChainOfTables) {
    run("CREATE TABLE t2 (id int PRIMARY KEY); CREATE TABLE t3 (id int PRIMARY KEY); INSERT INTO t2 VALUES (2); INSERT "
        "INTO t3 VALUES (3)");
    mirrored_.sync();
    run("BEGIN; ALTER TABLE t3 RENAME TO t4; ALTER TABLE t2 RENAME TO t3; ALTER TABLE t RENAME TO t2; COMMIT");
    EXPECT_EQ(differences_now("t2"), "");
    EXPECT_EQ(mirrored_.differences("t3") + mirrored_.differences("t4"), "");
    EXPECT_THAT(lake_tables(), ElementsAre("public.t2", "public.t3", "public.t4"));
}

// --- tables that come and go ----------------------------------------------------------------------------------------------------

TEST_F(MirrorSchema, LosesADroppedTable) {
    run("CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)");
    mirrored_.sync();
    run("UPDATE t SET b = 'last words'; DROP TABLE t; INSERT INTO u VALUES (2)");
    EXPECT_EQ(differences_now("u"), "");
    EXPECT_THAT(lake_tables(), ElementsAre("public.u"));
    EXPECT_THAT(mirrored_.peek("SELECT count(*) FROM cdc WHERE table_name = 't' AND (data->>'b') = 'last words'"),
                ElementsAre(Row{"5"}));
}

TEST_F(MirrorSchema, TakesATableThatWasDroppedAndCreatedUnderTheSameName) {
    run("UPDATE t SET b = 'last words'; DROP TABLE t; CREATE TABLE t (id text PRIMARY KEY, other date); INSERT INTO t "
        "VALUES ('first', '2026-03-01')");
    EXPECT_EQ(differences_now(), "");
    run("INSERT INTO t VALUES ('second', NULL); DROP TABLE t; CREATE TABLE t (id text PRIMARY KEY, other date)");
    EXPECT_EQ(differences_now(), "");
    run("INSERT INTO t VALUES ('third', NULL)");
    EXPECT_EQ(differences_now(), "");
}

TEST_F(MirrorSchema, TakesATableThatIsCapturedAgain) {
    run("CREATE TABLE u (id int PRIMARY KEY)");
    mirrored_.sync();
    mirrored_.stop();
    mirrored_.pipeline.environment["EIDER_EXCLUDE"] = "public.t";
    EXPECT_EQ(differences_now("u"), "");
    EXPECT_THAT(lake_tables(), ElementsAre("public.u"));
    run("UPDATE t SET b = 'not captured'");
    mirrored_.stop();
    mirrored_.pipeline.environment.erase("EIDER_EXCLUDE");
    EXPECT_EQ(differences_now(), "");
    EXPECT_THAT(lake_tables(), ElementsAre("public.t", "public.u"));
}

// --- keys ----------------------------------------------------------------------------------------------------------------------

TEST_F(MirrorSchema, TakesANewPrimaryKey) {
    EXPECT_EQ(differences_around("ALTER TABLE t DROP CONSTRAINT t_pkey; UPDATE t SET a = id; ALTER TABLE t ADD PRIMARY "
                                 "KEY (a); UPDATE t SET id = 7, a = a + 1000",
                                 {"UPDATE t SET a = -a", "INSERT INTO t VALUES (7, 1, 'same old key')",
                                  "UPDATE t SET b = 'x', a = 5 WHERE a = 1"}),
              "");
}

TEST_F(MirrorSchema, TakesAWiderPrimaryKey) {
    EXPECT_EQ(differences_around("UPDATE t SET b = 'was null' WHERE b IS NULL; ALTER TABLE t DROP CONSTRAINT t_pkey; "
                                 "ALTER TABLE t ADD PRIMARY KEY (b, id); UPDATE t SET b = b || '!'",
                                 {"UPDATE t SET b = 'y'", "INSERT INTO t VALUES (3, 0, 'z')"}),
              "");
}

TEST_F(MirrorSchema, EndsWhenThePrimaryKeyIsDroppedAndGoesOnWithANewOne) {
    run("CREATE TABLE u (id int PRIMARY KEY)");
    mirrored_.sync();
    run("ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES (1, 1, 'twice'), (1, 1, 'twice'); INSERT INTO u "
        "VALUES (1)");
    EXPECT_EQ(differences_now("u"), "");
    EXPECT_THAT(mirrored_.state("t"), HasSubstr("neither a primary key"));
    EXPECT_THAT(lake_tables(), ElementsAre("public.u"));
    run("DELETE FROM t WHERE b = 'twice'; ALTER TABLE t ADD PRIMARY KEY (id); INSERT INTO t VALUES (9)");
    EXPECT_EQ(differences_now(), "");
    EXPECT_EQ(mirrored_.state("t"), "mirrored");
}

TEST_F(MirrorSchema, DropsAColumnOfTheKey) {
    run("ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (id, a)");
    ASSERT_EQ(differences_now(), "");
    run("ALTER TABLE t DROP a; ALTER TABLE t ADD PRIMARY KEY (id); UPDATE t SET id = id + 1000");
    EXPECT_EQ(differences_now(), "");
    run("UPDATE t SET id = id - 1000, b = 'x'");
    EXPECT_EQ(differences_now(), "");
}

// --- storage -------------------------------------------------------------------------------------------------------------------

TEST_F(MirrorSchema, TakesAnAddedPartition) {
    run("CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR "
        "VALUES FROM (0) TO (10); INSERT INTO p VALUES (1, 'a')");
    ASSERT_EQ(differences_now("p"), "");
    run("CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (11, 'b'); UPDATE p SET id "
        "= id + 5; ALTER TABLE p ADD c int DEFAULT 3; UPDATE p SET c = 4 WHERE id = 16");
    EXPECT_EQ(differences_now("p"), "");
    run("UPDATE p SET v = 'c', id = id - 1");
    EXPECT_EQ(differences_now("p"), "");
}

TEST_F(MirrorSchema, FollowsATableThatIsRewritten) {
    EXPECT_EQ(differences_around("CLUSTER t USING t_pkey; UPDATE t SET b = 'after'",
                                 {"ALTER TABLE t SET UNLOGGED; UPDATE t SET a = 0",
                                  "ALTER TABLE t SET LOGGED; DELETE FROM t WHERE id = 3"}),
              "");
    run("VACUUM FULL t");
    run("UPDATE t SET b = 'after'");
    EXPECT_EQ(differences_now(), "");
    run("REINDEX TABLE t");
    EXPECT_EQ(differences_now(), "");
}

TEST_F(MirrorSchema, TakesTriggersThatTheApplicationPutsOnTheTable) {
    EXPECT_EQ(differences_around(
                  "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.b := 'stamped'; RETURN "
                  "new; END $$; CREATE TRIGGER stamp BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamp()",
                  {"UPDATE t SET a = 5"}),
              "");
}

// --- all of it -------------------------------------------------------------------------------------------------------------------

TEST_F(MirrorSchema, FollowsManyChangesBetweenTwoBatchesWithRowsWrittenUnderEachShape) {
    run("UPDATE t SET b = 'one'");
    run("ALTER TABLE t ADD c int DEFAULT 1; INSERT INTO t VALUES (6, 60, 'two', 2)");
    run("ALTER TABLE t RENAME a TO old_a; UPDATE t SET old_a = 1 WHERE id = 1");
    run("ALTER TABLE t ALTER c TYPE text; INSERT INTO t VALUES (7, 70, 'three', 'text')");
    run("ALTER TABLE t RENAME TO u; DELETE FROM u WHERE id = 2");
    run("ALTER TABLE u DROP b; UPDATE u SET id = id + 100");
    run("CREATE SCHEMA s; ALTER TABLE u SET SCHEMA s; INSERT INTO s.u VALUES (8, 80, 'x')");
    run("BEGIN; TRUNCATE s.u; INSERT INTO s.u VALUES (1, 2, 'last'); ALTER TABLE s.u ADD b jsonb DEFAULT '{}'; COMMIT; "
        "INSERT INTO s.u VALUES (2)");
    EXPECT_EQ(differences_now("s.u"), "");
    run("UPDATE s.u SET b = '[1]'");
    EXPECT_EQ(differences_now("s.u"), "");
}

TEST_F(MirrorSchema, FollowsATableThatChangesWhileTransactionsAreOpen) {
    Client slow(mirrored_.pipeline.source.uri);
    slow.run("BEGIN; INSERT INTO t VALUES (6, 6, 'slow')");
    run("CREATE TABLE u (id int PRIMARY KEY)");
    EXPECT_EQ(differences_now(), "");
    slow.run("ALTER TABLE t ADD c int DEFAULT 5; UPDATE t SET c = 6 WHERE id < 3");
    mirrored_.eider().batch();
    slow.run("COMMIT");
    EXPECT_EQ(differences_now(), "");
}

TEST_F(MirrorSchema, IsCopiedAnewByAnEiderThatWasNotThereWhenTheTableChanged) {
    mirrored_.stop();
    EXPECT_EQ(differences_around("ALTER TABLE t ADD c int DEFAULT 1, DROP b; UPDATE t SET c = 2 WHERE id = 3"), "");
    mirrored_.stop();
    run("UPDATE t SET c = 3");
    EXPECT_EQ(differences_now(), "");
}

TEST_F(MirrorSchema, FollowsAKeyThatIsChangedBetweenTheLookAtTheTablesAndTheNext) {
    // The mirror has the new key already, the triggers still have the old one: nobody attached them in between.
    run("ALTER TABLE t DROP CONSTRAINT t_pkey; UPDATE t SET a = id; ALTER TABLE t ALTER a SET NOT NULL; ALTER TABLE t "
        "ADD PRIMARY KEY (a)");
    EXPECT_EQ(mirrored_.eider().batch_without_a_look().has_value(), true);
    run("UPDATE t SET a = a + 100");
    EXPECT_EQ(differences_now(), "");
}

}  // namespace
}  // namespace eider::test
