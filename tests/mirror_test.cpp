// Mirrors equal their source: first copies, and changes of every kind, on a real server, row by row.
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "support/mirrors.h"
#include "support/wait.h"
#include "support/workload.h"

namespace eider::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Row = Pipeline::Row;

constexpr int killed = 137;

// Between two changes of an application that gives a copy a chance.
constexpr std::chrono::milliseconds thinking_time{300};

// What is done to tables, without names of schemas.
struct Story {
    std::string tables;                // statements that make them
    std::string rows;                  // statements that fill them
    std::vector<std::string> changes;  // statements, or transactions, that then follow each other
    std::vector<std::string> compare = {"t"};
    std::vector<std::string> key = {"id"};  // of all of them, for the replay of the log; empty: not replayed
};

// The same story four times, each cut into batches differently: what the mirror must make of it is the same.
std::string differences_however_batched(Mirrored& mirrored, const Story& story) {
    const auto tell = [&](const std::string& schema, const std::string& sql) {
        if (sql.empty()) return;
        mirrored.run("SET search_path = " + schema + ", public");
        mirrored.run(sql);
    };
    mirrored.run("CREATE SCHEMA at_once; CREATE SCHEMA in_two; CREATE SCHEMA one_by_one; CREATE SCHEMA copied");
    for (const auto* schema : {"at_once", "in_two", "one_by_one"}) tell(schema, story.tables);
    mirrored.init();
    mirrored.sync();
    for (const auto* schema : {"in_two", "one_by_one"}) tell(schema, story.rows);
    mirrored.sync();
    std::string out;
    for (const auto& change : story.changes) {
        tell("one_by_one", change);
        mirrored.sync();
        for (const auto& table : story.compare) {
            const std::string wrong = mirrored.differences("one_by_one." + table);
            if (!wrong.empty()) out += "after " + change + ": " + wrong;
        }
    }
    tell("at_once", story.rows);
    for (const auto* schema : {"at_once", "in_two"}) {
        for (const auto& change : story.changes) tell(schema, change);
    }
    tell("copied", story.tables);
    tell("copied", story.rows);
    for (const auto& change : story.changes) tell("copied", change);
    mirrored.sync();
    for (const auto* schema : {"at_once", "in_two", "one_by_one", "copied"}) {
        for (const auto& table : story.compare) {
            const std::string name = std::string(schema) + "." + table;
            out += mirrored.differences(name);
            if (schema != std::string("copied") && !story.key.empty())
                out += mirrored.replay_differences(name, story.key);
        }
    }
    return out + mirrored.verify();
}

class Mirror : public testing::Test {
protected:
    std::string differences_of(const Story& story) { return differences_however_batched(mirrored_, story); }
    std::vector<Client::Row> run(const std::string& sql) { return mirrored_.run(sql); }

    Mirrored mirrored_;
};

constexpr const char* simple = "CREATE TABLE t (id int PRIMARY KEY, v text)";
constexpr const char* five_rows = "INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 5) AS n";

// --- every catalog -----------------------------------------------------------------------------------------------------

class MirrorInEveryCatalog : public testing::TestWithParam<CatalogKind> {};

INSTANTIATE_TEST_SUITE_P(On, MirrorInEveryCatalog,
                         testing::Values(CatalogKind::source, CatalogKind::duckdb, CatalogKind::sqlite),
                         [](const auto& test) { return name_of(test.param); });

TEST_P(MirrorInEveryCatalog, HoldsWhatAStrangerReadsInTheSource) {
    Mirrored mirrored(GetParam());
    const Pipeline& pipeline = mirrored.pipeline;
    mirrored.run(
        "CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, item text, price numeric(10,2), since "
        "timestamptz)");
    mirrored.run("INSERT INTO shop.orders VALUES (1, 'tea', 2.50, '2026-03-01 12:00:00+01'), (2, NULL, NULL, NULL)");
    mirrored.init();
    pipeline.must({"sync"});
    const std::string rows = "SELECT id, item, price, since::VARCHAR FROM lake.shop.orders ORDER BY id";
    EXPECT_THAT(pipeline.lake(rows),
                ElementsAre(Row{"1", "tea", "2.50", "2026-03-01 11:00:00+00"}, Row{"2", "NULL", "NULL", "NULL"}));
    mirrored.run(
        "UPDATE shop.orders SET price = price * 2; DELETE FROM shop.orders WHERE id = 2;"
        "INSERT INTO shop.orders VALUES (3, 'salt', 0.10, 'infinity')");
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake(rows),
                ElementsAre(Row{"1", "tea", "5.00", "2026-03-01 11:00:00+00"}, Row{"3", "salt", "0.10", "infinity"}));
    EXPECT_EQ(mirrored.differences("shop.orders"), "");
    EXPECT_THAT(pipeline.must({"verify"}), HasSubstr("equal"));
    EXPECT_THAT(pipeline.lake("SELECT column_name, column_type FROM (DESCRIBE lake.shop.orders)"),
                ElementsAre(Row{"id", "INTEGER"}, Row{"item", "VARCHAR"}, Row{"price", "DECIMAL(10,2)"},
                            Row{"since", "TIMESTAMP WITH TIME ZONE"}));
}

TEST_P(MirrorInEveryCatalog, FollowsSmallAndLargeBatchesOfEveryKind) {
    Mirrored mirrored(GetParam());
    EXPECT_EQ(differences_however_batched(
                  mirrored, {.tables = simple,
                             .rows = "INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 5000) AS n",
                             .changes = {"UPDATE t SET v = 'new' WHERE id % 7 = 0",
                                         "UPDATE t SET id = -id WHERE id % 11 = 0", "DELETE FROM t WHERE id % 3 = 0",
                                         "INSERT INTO t SELECT n * 3, 'again' FROM generate_series(1, 50) AS n",
                                         "UPDATE t SET v = v || '!'"}}),
              "");
}

// --- the first copy ------------------------------------------------------------------------------------------------------

TEST_F(Mirror, IsCopiedWhileWritersWriteWithoutAGapOrAnOverlap) {
    mirrored_.pipeline.environment["EIDER_TABLES"] = "shop.item";
    Workload::create_tables(mirrored_.pipeline.application);
    mirrored_.init();
    {
        Workload workload(mirrored_.pipeline.source, 4);
        workload.wait_for(20);
        // Copied again and again while it changes; batches in between apply what the copy did not see.
        for (int round = 0; round < 8; ++round) {
            ASSERT_EQ(mirrored_.verify(), "") << "round " << round;
            workload.wait_for(5);
            mirrored_.eider().mirrors.resync({});
        }
    }
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify(), "");
    EXPECT_EQ(mirrored_.differences("shop.item"), "");
    EXPECT_EQ(mirrored_.replay_differences("shop.item"), "");
}

TEST_F(Mirror, OfATableThatIsTruncatedWhileItIsCopiedIsWhole) {
    mirrored_.init();
    run(simple);
    mirrored_.sync();
    std::atomic<bool> is_over = false;
    {
        std::jthread truncating([&](const std::stop_token& stop) {
            Client client(mirrored_.pipeline.source.uri);
            for (int n = 0; !stop.stop_requested(); ++n) {
                client.run(fmt::format(
                    "BEGIN; TRUNCATE t; INSERT INTO t SELECT n, '{}' FROM generate_series(1, 100) AS n; COMMIT", n));
                std::this_thread::sleep_for(thinking_time);
            }
            is_over = true;
        });
        for (int round = 0; round < 10; ++round) {
            ASSERT_EQ(mirrored_.verify(), "") << "round " << round;
            mirrored_.eider().mirrors.resync({});
        }
    }
    EXPECT_TRUE(is_over);
    EXPECT_EQ(mirrored_.differences_after_sync({"t"}), "");
}

TEST_F(Mirror, OfATableThatWasAddedLaterIsCopiedByTheNextSync) {
    mirrored_.init();
    mirrored_.sync();
    run(simple);
    run(five_rows);
    EXPECT_EQ(mirrored_.sync(), 1);
    EXPECT_EQ(mirrored_.differences("t"), "");
    run("UPDATE t SET v = 'b' WHERE id = 1; INSERT INTO t VALUES (6, 'f')");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.differences("t"), "");
    EXPECT_EQ(mirrored_.state("t"), "mirrored");
}

TEST_F(Mirror, GoesOnWhereAnInterruptedFirstCopyWas) {
    run("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text)");
    run("INSERT INTO a SELECT n, 'a' FROM generate_series(1, 1000) AS n; INSERT INTO b SELECT n, 'b' FROM "
        "generate_series(1, 1000) AS n");
    mirrored_.init();
    EXPECT_EQ(mirrored_.pipeline.eider({"sync"}, {{"EIDER_CRASH_AT", "mirror.copied:2"}}).exit_code, killed);
    run("UPDATE a SET v = 'changed'; DELETE FROM b WHERE id > 500");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.differences("a") + mirrored_.differences("b") + mirrored_.verify(), "");
}

TEST_F(Mirror, OfALargeTableIsCopiedOverTwoStreamsRowForRow) {
    run("CREATE TABLE t (id int PRIMARY KEY, v text, filler text)");
    run("INSERT INTO t SELECT n, 'row ' || n, repeat('x', 200) FROM generate_series(1, 120000) AS n");
    run("DELETE FROM t WHERE id BETWEEN 30000 AND 60000");  // whole pages without a row
    ASSERT_GT(mirrored_.pipeline.application.number("SELECT pg_relation_size('t')"), 16 << 20);
    mirrored_.init();
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify(), "");
    EXPECT_THAT(mirrored_.peek("SELECT count(*), count(DISTINCT id), sum(id) FROM lake.public.t"),
                ElementsAre(Row{"89999", "89999", run("SELECT sum(id) FROM t")[0][0].value()}));
    run("UPDATE t SET v = 'new' WHERE id % 1000 = 0");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify(), "");
}

TEST_F(Mirror, OfAnEmptyTableIsAnEmptyTable) {
    run(simple);
    mirrored_.init();
    mirrored_.sync();
    EXPECT_THAT(mirrored_.peek("SELECT count(*) FROM lake.public.t"), ElementsAre(Row{"0"}));
    EXPECT_EQ(mirrored_.differences("t"), "");
}

TEST_F(Mirror, DoesNotSeeATransactionThatIsOpenAcrossItsFirstCopy) {
    run(simple);
    run(five_rows);
    mirrored_.init();
    Client slow(mirrored_.pipeline.source.uri);
    slow.run(
        "BEGIN; INSERT INTO t VALUES (6, 'slow'); UPDATE t SET v = 'slow' WHERE id = 1; UPDATE t SET id = 20 WHERE id "
        "= 2; DELETE FROM t WHERE id = 3");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify() + mirrored_.differences("t"), "");
    slow.run("COMMIT");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify() + mirrored_.differences("t"), "");
}

// --- keys --------------------------------------------------------------------------------------------------------------

TEST_F(Mirror, FollowsChangedKeys) {
    EXPECT_EQ(
        differences_of(
            {.tables = simple,
             .rows = five_rows,
             .changes =
                 {"UPDATE t SET id = 10 WHERE id = 1", "UPDATE t SET id = 1 WHERE id = 10", "UPDATE t SET id = -id",
                  "UPDATE t SET id = id - 100, v = v || '!'",
                  "UPDATE t SET id = 7 WHERE id = -101; INSERT INTO t VALUES (-101, 'its place')",
                  "UPDATE t SET id = 8 WHERE id = 7; UPDATE t SET id = 9 WHERE id = 8; DELETE FROM t WHERE id = 9"}}),
        "");
}

TEST_F(Mirror, FollowsKeysThatAreCountedUpInOneStatement) {
    EXPECT_EQ(differences_of({.tables = "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text)",
                              .rows = five_rows,
                              .changes = {"UPDATE t SET id = id + 1", "UPDATE t SET id = id - 1, v = v || id",
                                          "UPDATE t SET id = 6 - id"}}),
              "");
}

TEST_F(Mirror, FollowsKeysThatSwapInOneStatement) {
    for (const auto* deferrable : {"DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"}) {
        Mirrored mirrored;
        EXPECT_EQ(differences_however_batched(
                      mirrored, {.tables = fmt::format("CREATE TABLE t (id int PRIMARY KEY {}, v text)", deferrable),
                                 .rows = five_rows,
                                 .changes = {"UPDATE t SET id = 3 - id WHERE id IN (1, 2)",
                                             "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE t SET id = 5 WHERE id = 4; "
                                             "UPDATE t SET id = 4 WHERE v = 'row 5'; COMMIT",
                                             "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO t VALUES (1, 'second'); "
                                             "DELETE FROM t WHERE id = 1 AND v <> 'second'; COMMIT",
                                             "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO t VALUES (2, 'second'); "
                                             "UPDATE t SET id = 22 WHERE id = 2 AND v = 'second'; COMMIT",
                                             "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO t VALUES (3, 'second'); "
                                             "DELETE FROM t WHERE id = 3 AND v = 'second'; COMMIT"}}),
                  "")
            << deferrable;
    }
}

TEST_F(Mirror, FollowsAKeyThatTwoRowsHadInsideATransaction) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text)",
             .rows = five_rows,
             .changes =
                 {"BEGIN; INSERT INTO t VALUES (1, 'second'); DELETE FROM t WHERE id = 1 AND v <> 'second'; COMMIT; "
                  "UPDATE t SET v = 'then updated' WHERE id = 1",
                  "BEGIN; INSERT INTO t VALUES (2, 'second'); DELETE FROM t WHERE v = 'second'; COMMIT; "
                  "UPDATE t SET v = 'then updated' WHERE id = 2",
                  "WITH gone AS (DELETE FROM t WHERE id = 3) INSERT INTO t VALUES (3, 'second'); "
                  "UPDATE t SET v = 'then updated' WHERE id = 3"}}),
        "");
}

TEST_F(Mirror, FollowsASwapThroughAThirdKey) {
    EXPECT_EQ(differences_of({.tables = simple,
                              .rows = five_rows,
                              .changes = {"BEGIN; UPDATE t SET id = 0 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2; "
                                          "UPDATE t SET id = 2 WHERE id = 0; COMMIT"}}),
              "");
}

TEST_F(Mirror, FollowsADeletedAndReinsertedKey) {
    EXPECT_EQ(
        differences_of(
            {.tables = simple,
             .rows = five_rows,
             .changes =
                 {"DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'again')",
                  "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'again')",
                  "BEGIN; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 'again'); DELETE FROM t WHERE id = 3; "
                  "COMMIT",
                  "BEGIN; DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (4, 'again'); UPDATE t SET v = 'and again' "
                  "WHERE id = 4; COMMIT",
                  "BEGIN; INSERT INTO t VALUES (6, 'short'); DELETE FROM t WHERE id = 6; COMMIT",
                  "INSERT INTO t VALUES (7, 'short'); DELETE FROM t WHERE id = 7; INSERT INTO t VALUES (7, 'long')"}}),
        "");
}

TEST_F(Mirror, OfACompositeKeyFollowsEachPart) {
    EXPECT_EQ(differences_of(
                  {.tables = "CREATE TABLE t (v text, b date, a int, c text, PRIMARY KEY (a, b, c))",
                   .rows = "INSERT INTO t SELECT 'row ' || n, date '2026-01-01' + n / 2, n % 2, 'x' FROM "
                           "generate_series(1, 20) AS n",
                   .changes = {"UPDATE t SET v = 'new' WHERE a = 1", "UPDATE t SET b = b - 1000",
                               "UPDATE t SET a = a + 10, c = 'y' WHERE b < '2023-04-10'", "DELETE FROM t WHERE a = 0",
                               "UPDATE t SET b = 'infinity' WHERE b = (SELECT max(b) FROM t) AND a = 1"},
                   .key = {"a", "b", "c"}}),
              "");
}

TEST_F(Mirror, TakesKeysOfManyTypes) {
    const std::vector<std::vector<std::string>> keys{
        {"bigint", "-9223372036854775808", "9223372036854775807", "0"},
        {"numeric(38,10)", "-9999999999999999999999999999.9999999999", "0.0000000001", "1"},
        {"numeric(10,2)", "-1.50", "1.50", "99999999.99"},
        {"date", "'4714-11-24 BC'", "'infinity'", "'5874897-12-31'"},
        {"timestamp", "'-infinity'", "'0044-03-15 12:00:00 BC'", "'2026-03-01 12:00:00.000001'"},
        {"timestamptz", "'infinity'", "'0044-03-15 12:00:00+01 BC'", "'20260-03-01 12:00:00.000001+00'"},
        {"time", "'24:00:00'", "'00:00:00'", "'12:00:00.000001'"},
        {"uuid", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
         "'12345678-1234-1234-1234-123456789abc'"},
        {"boolean", "true", "false"},
        {"text", "''", "'NULL'", "'ü''\"\\'"},
        {"char(5)", "''", "'a'", "'abcde'"},
        {"bytea", "'\\x'", "'\\x00'", "'\\xff00'"},
        {"real", "0.1", "'NaN'", "'-infinity'", "3.4028235e38"},
        {"double precision", "0.1", "'NaN'", "'infinity'", "5e-324", "-1.7976931348623157e308"},
        {"int[]", "'{}'", "'{1,NULL}'", "'{1,2,3}'"},
        {"text[]", "'{}'", "'{\"NULL\",NULL}'", "'{\"a,b\"}'"},
        {"inet", "'10.0.0.1'", "'::1'", "'10.0.0.0/8'"},
        {"interval", "'1 month'", "'31 days'", "'-1 us'"},
        {"int4range", "'[1,5)'", "'empty'", "'(,)'"},
        {"oid", "0", "4294967295", "1"},
    };
    std::string tables;
    std::string first;
    std::string then;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::string t = fmt::format("t{}", i);
        names.push_back(t);
        // Alone, and as the first of two.
        tables += fmt::format(
            "CREATE TABLE {0} (k {1} PRIMARY KEY, v int); CREATE TABLE {0}b (k {1}, n int, v int, PRIMARY KEY (k, n));",
            t, keys[i][0]);
        names.push_back(t + "b");
        for (std::size_t k = 1; k < keys[i].size(); ++k) {
            first += fmt::format("INSERT INTO {0} VALUES ({1}, 1); INSERT INTO {0}b VALUES ({1}, 1, 1), ({1}, 2, 1);",
                                 t, keys[i][k]);
        }
        then += fmt::format(
            "UPDATE {0} SET v = v + 1; UPDATE {0}b SET v = v + 1 WHERE n = 1; DELETE FROM {0} WHERE k = {1}; DELETE "
            "FROM {0}b WHERE k = {1} AND n = 2;",
            t, keys[i][1]);
    }
    EXPECT_EQ(differences_of({.tables = tables, .rows = first, .changes = {then}, .compare = {}, .key = {}}), "");
    for (const auto& name : names) {
        EXPECT_EQ(run("SELECT count(*) > 0 FROM one_by_one." + name)[0][0], "t");
        EXPECT_EQ(mirrored_.state("one_by_one." + name), "mirrored") << name;
    }
}

TEST_F(Mirror, TellsKeysApartThatPostgresTellsApart) {
    EXPECT_EQ(
        differences_of({.tables = "CREATE TABLE t (id numeric PRIMARY KEY, v text)",
                        .rows = "INSERT INTO t VALUES (1, 'one'), (1.00000000000000000001, 'a little more'), (1e40, "
                                "'large'), (1e40 + 1, 'larger')",
                        .changes = {"UPDATE t SET v = v || '!' WHERE id IN (1, 1e40)",
                                    "DELETE FROM t WHERE id = 1.00000000000000000001", "UPDATE t SET v = v || '?'"}}),
        "");
}

TEST_F(Mirror, FollowsNumericKeysThatAreEqualButNotIdentical) {
    EXPECT_EQ(differences_of(
                  {.tables = "CREATE TABLE t (id numeric PRIMARY KEY, v text)",
                   .rows = "INSERT INTO t VALUES (1.0, 'a'), (2.50, 'b'), (3, 'c')",
                   .changes = {"UPDATE t SET id = 1.00 WHERE id = 1", "UPDATE t SET id = 2.5, v = 'bb' WHERE id = 2.5",
                               "UPDATE t SET v = 'cc' WHERE id = 3.000",
                               "DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3.0, 'again')",
                               "UPDATE t SET id = id * 1.00"}}),
              "");
}

TEST_F(Mirror, FollowsKeysThatDifferInCaseOnly) {
    run("CREATE EXTENSION citext");
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (id citext PRIMARY KEY, v text)",
             .rows = "INSERT INTO t VALUES ('Alpha', 'a'), ('beta', 'b'), ('gamma', 'c')",
             .changes =
                 {"UPDATE t SET id = 'ALPHA' WHERE id = 'alpha'", "UPDATE t SET v = 'bb' WHERE id = 'BETA'",
                  "DELETE FROM t WHERE id = 'Gamma'", "INSERT INTO t VALUES ('GAMMA', 'again')",
                  "INSERT INTO t VALUES ('gamma', 'c') ON CONFLICT (id) DO UPDATE SET id = excluded.id, v = 'conflict'",
                  "BEGIN; DELETE FROM t WHERE id = 'alpha'; INSERT INTO t VALUES ('alphA', 'again'); COMMIT",
                  "UPDATE t SET id = upper(id)"}}),
        "");
}

TEST_F(Mirror, AsksTheSourceForKeysThatDifferInCaseOnly) {
    run("CREATE EXTENSION citext");
    EXPECT_EQ(
        differences_of({.tables =
                            "CREATE TABLE t (id citext PRIMARY KEY, v text, n int DEFAULT 0);"
                            "CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                            "UPDATE t SET n = n + 1, id = lower(id) WHERE id = new.id; RETURN NULL; END $$;"
                            "CREATE TRIGGER bump AFTER INSERT OR UPDATE OF v ON t FOR EACH ROW EXECUTE FUNCTION bump()",
                        .rows = "INSERT INTO t VALUES ('Alpha', 'a'), ('beta', 'b')",
                        .changes = {"UPDATE t SET id = 'ALPHA', v = 'x' WHERE id = 'alpha'",
                                    "UPDATE t SET v = 'y', id = initcap(id)"}}),
        "");
}

TEST_F(Mirror, UsesAUniqueIndexOnColumnsThatAreNeverNull) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (a int, b text NOT NULL, c int NOT NULL, v text, UNIQUE (a), UNIQUE (c, b))",
             .rows = "INSERT INTO t SELECT nullif(n, 3), 'b' || n, n, 'row' FROM generate_series(1, 5) AS n",
             .changes = {"UPDATE t SET v = 'new' WHERE a IS NULL", "UPDATE t SET b = 'x', c = 9 WHERE c = 2",
                         "DELETE FROM t WHERE c = 3", "UPDATE t SET a = NULL", "UPDATE t SET c = -c"},
             .key = {"b", "c"}}),
        "");
}

TEST_F(Mirror, IsNotKeptOfATableWithoutAKeyAndTheStateSaysWhy) {
    run("CREATE TABLE without (id int, v text); CREATE TABLE nullable (id int UNIQUE, v text);"
        "CREATE TABLE partial (id int NOT NULL, v text); CREATE UNIQUE INDEX ON partial (id) WHERE id > 0;"
        "CREATE TABLE expression (id int NOT NULL); CREATE UNIQUE INDEX ON expression (abs(id)); CREATE TABLE t (id "
        "int PRIMARY KEY)");
    mirrored_.init();
    run("INSERT INTO without VALUES (1, 'a'), (1, 'a')");
    mirrored_.sync();
    for (const auto* table : {"without", "nullable", "partial", "expression"}) {
        EXPECT_EQ(mirrored_.state(table),
                  "none: it has neither a primary key nor a unique index on columns that are never NULL")
            << table;
        EXPECT_THAT(mirrored_.peek(
                        fmt::format("SELECT count(*) FROM information_schema.tables WHERE table_name = '{}'", table)),
                    ElementsAre(Row{"0"}));
    }
    EXPECT_THAT(mirrored_.peek("SELECT cdc_op, data->>'id' FROM cdc"), ElementsAre(Row{"I", "1"}, Row{"I", "1"}));
    EXPECT_EQ(mirrored_.verify(), "");
}

TEST_F(Mirror, OfTwoTablesWhoseNamesDifferInCaseOnlyIsKeptForOneAndTheOthersGoOn) {
    run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE \"T\" (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY "
        "KEY)");
    mirrored_.init();
    run("INSERT INTO t VALUES (1); INSERT INTO \"T\" VALUES (2); INSERT INTO u VALUES (3)");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.differences("u"), "");
    EXPECT_EQ(mirrored_.differences("t"), "");
    EXPECT_THAT(mirrored_.state("\"T\""), HasSubstr("public.t"));
}

// --- statements ----------------------------------------------------------------------------------------------------------

TEST_F(Mirror, FollowsTruncate) {
    EXPECT_EQ(differences_of({.tables = simple,
                              .rows = five_rows,
                              .changes = {"TRUNCATE t", "INSERT INTO t VALUES (1, 'after')",
                                          "BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 'in it'), (2, 'in it'); COMMIT",
                                          "BEGIN; INSERT INTO t VALUES (3, 'before'); TRUNCATE t; INSERT INTO t VALUES "
                                          "(4, 'after'); TRUNCATE t; INSERT INTO t VALUES (5, 'last'); COMMIT",
                                          "BEGIN; TRUNCATE t; ROLLBACK",
                                          "BEGIN; SAVEPOINT s; TRUNCATE t; INSERT INTO t VALUES (6, 'no'); ROLLBACK TO "
                                          "s; INSERT INTO t VALUES (7, 'yes'); COMMIT"}}),
              "");
}

TEST_F(Mirror, FollowsSavepointsAndRollbacks) {
    EXPECT_EQ(differences_of(
                  {.tables = simple,
                   .rows = five_rows,
                   .changes = {"BEGIN; UPDATE t SET v = 'kept' WHERE id = 1; SAVEPOINT s; UPDATE t SET v = 'undone'; "
                               "DELETE FROM t WHERE id = 2; ROLLBACK TO s; INSERT INTO t VALUES (6, 'kept'); COMMIT",
                               "BEGIN; DELETE FROM t; ROLLBACK",
                               "BEGIN; SAVEPOINT a; DELETE FROM t WHERE id = 6; RELEASE a; SAVEPOINT b; INSERT INTO t "
                               "VALUES (6, 'undone'); ROLLBACK TO b; COMMIT",
                               "BEGIN; INSERT INTO t VALUES (8, 'x'); SAVEPOINT a; UPDATE t SET id = 9 WHERE id = 8; "
                               "ROLLBACK TO a; UPDATE t SET v = 'y' WHERE id = 8; COMMIT"}}),
              "");
}

TEST_F(Mirror, FollowsMerge) {
    if (mirrored_.pipeline.application.number("SHOW server_version_num") < 150000)
        GTEST_SKIP() << "MERGE came with PostgreSQL 15";
    EXPECT_EQ(
        differences_of(
            {.tables = simple,
             .rows = five_rows,
             .changes = {"MERGE INTO t USING (VALUES (1, 'm'), (2, 'd'), (6, 'n')) AS s (id, v) ON t.id = s.id "
                         "WHEN MATCHED AND s.v = 'd' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED "
                         "THEN INSERT VALUES (s.id, s.v)",
                         "MERGE INTO t USING (VALUES (3, 3), (99, 3)) AS s (id, new_id) ON t.id = s.id WHEN MATCHED "
                         "THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.new_id, 'reinserted')",
                         "UPDATE t SET v = v || ', then updated' WHERE id = 3",
                         "MERGE INTO t USING (VALUES (4, 4), (98, 4)) AS s (id, new_id) ON t.id = s.id WHEN MATCHED "
                         "THEN UPDATE SET id = 40 WHEN NOT MATCHED THEN INSERT VALUES (s.new_id, 'took its place')",
                         "UPDATE t SET id = 41 WHERE id = 4"}}),
        "");
}

TEST_F(Mirror, FollowsWritableQueriesThatDeleteAndInsertOneKey) {
    EXPECT_EQ(
        differences_of(
            {.tables = simple,
             .rows = five_rows,
             .changes =
                 {"WITH gone AS (DELETE FROM t WHERE id = 1 RETURNING *) INSERT INTO t SELECT id, v || ' again' FROM "
                  "gone",
                  "UPDATE t SET v = v || ', then updated' WHERE id = 1",
                  "WITH gone AS (DELETE FROM t WHERE id = 2 RETURNING *) INSERT INTO t SELECT id + 20, v FROM gone; "
                  "INSERT INTO t VALUES (2, 'new')",
                  "WITH moved AS (UPDATE t SET id = 33 WHERE id = 3 RETURNING *) INSERT INTO t SELECT 3, 'took its "
                  "place' FROM moved",
                  "WITH moved AS (UPDATE t SET id = 44 WHERE id = 4 RETURNING *) UPDATE t SET id = 4 FROM moved WHERE "
                  "t.id = 5",
                  "WITH gone AS (DELETE FROM t WHERE id = 4 RETURNING *) UPDATE t SET id = 4 FROM gone WHERE t.id = 44",
                  "WITH gone AS (DELETE FROM t WHERE id = 4 RETURNING *) INSERT INTO t SELECT * FROM gone; DELETE FROM "
                  "t WHERE id = 4"}}),
        "");
}

TEST_F(Mirror, FollowsInsertOnConflict) {
    EXPECT_EQ(differences_of(
                  {.tables = simple,
                   .rows = five_rows,
                   .changes = {"INSERT INTO t VALUES (1, 'x'), (6, 'y') ON CONFLICT DO NOTHING",
                               "INSERT INTO t VALUES (1, 'x'), (7, 'y') ON CONFLICT (id) DO UPDATE SET v = excluded.v",
                               "INSERT INTO t VALUES (2, 'x'), (8, 'y') ON CONFLICT (id) DO UPDATE SET id = t.id + 100",
                               "INSERT INTO t VALUES (102, 'x'), (2, 'new') ON CONFLICT (id) DO UPDATE SET id = 103"}}),
              "");
}

TEST_F(Mirror, KeepsNullsAndTellsThemFromEmptyText) {
    EXPECT_EQ(
        differences_of(
            {.tables =
                 "CREATE TABLE t (id int PRIMARY KEY, v text, n int, b boolean, d numeric(5,2), a int[], j jsonb)",
             .rows = "INSERT INTO t VALUES (1, '', 0, false, 0, '{}', '{}'), (2, NULL, NULL, NULL, NULL, NULL, NULL), "
                     "(3, 'NULL', 1, true, 1, '{NULL}', '[null]')",
             .changes = {"UPDATE t SET v = NULL WHERE id = 1", "UPDATE t SET v = '' WHERE id = 2",
                         "UPDATE t SET n = NULL, b = NULL, d = NULL, a = NULL, j = NULL WHERE id = 3",
                         "UPDATE t SET a = '{1,NULL,3}', j = '{\"a\": null}'"}}),
        "");
}

TEST_F(Mirror, OfSeveralTablesInOneBatchShowsOneSnapshot) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text); "
                       "CREATE TABLE c (id int PRIMARY KEY, v text)",
             .rows = "INSERT INTO a VALUES (1, 'x'); INSERT INTO b VALUES (1, 'x'); INSERT INTO c VALUES (1, 'x')",
             .changes = {"BEGIN; UPDATE a SET v = 'y'; UPDATE b SET id = 2; DELETE FROM c; COMMIT",
                         "INSERT INTO c SELECT * FROM b; TRUNCATE a", "UPDATE b SET v = 'z'"},
             .compare = {"a", "b", "c"}}),
        "");
}

TEST_F(Mirror, FollowsALargeBatch) {
    run(simple);
    mirrored_.init();
    mirrored_.sync();
    run("INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 200000) AS n");
    mirrored_.sync();
    run("UPDATE t SET v = v || '!' WHERE id % 2 = 0; UPDATE t SET id = -id WHERE id % 5 = 0; DELETE FROM t WHERE id % "
        "3 = 0;"
        "INSERT INTO t SELECT n, 'more' FROM generate_series(200001, 250000) AS n");
    EXPECT_EQ(mirrored_.differences_after_sync({"t"}), "");
}

// --- triggers of the application -------------------------------------------------------------------------------------------

TEST_F(Mirror, FollowsRowTriggersThatUpdateTheSameTable) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (id int PRIMARY KEY, v int);"
                       "CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                       "IF new.v < 100 THEN UPDATE t SET v = v + 100 WHERE id = new.id; END IF; RETURN NULL; END $$;"
                       "CREATE TRIGGER bump AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION bump()",
             .rows = "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
             .changes = {"UPDATE t SET v = 5 WHERE id = 1", "UPDATE t SET v = v + 1",
                         "UPDATE t SET v = 7, id = id + 10", "INSERT INTO t VALUES (1, 1)"}}),
        "");
}

TEST_F(Mirror, FollowsRowTriggersThatMoveDeleteAndInsertRowsOfTheSameTable) {
    EXPECT_EQ(
        differences_of(
            {.tables =
                 "CREATE TABLE t (id int PRIMARY KEY, v text);"
                 "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                 "CASE new.v WHEN 'delete me' THEN DELETE FROM t WHERE id = new.id;"
                 " WHEN 'move me' THEN UPDATE t SET id = id + 1000, v = 'moved' WHERE id = new.id;"
                 " WHEN 'copy me' THEN INSERT INTO t VALUES (new.id + 500, 'copy');"
                 " WHEN 'replace me' THEN DELETE FROM t WHERE id = new.id; INSERT INTO t VALUES (new.id, 'replaced');"
                 " ELSE NULL; END CASE; RETURN NULL; END $$;"
                 "CREATE TRIGGER act AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION act()",
             .rows = "INSERT INTO t VALUES (1, 'a'), (2, 'delete me'), (3, 'move me'), (4, 'copy me'), (5, 'replace "
                     "me'), (6, 'f'), (7, 'g'), (8, 'h')",
             .changes = {"UPDATE t SET v = 'delete me' WHERE id = 1", "UPDATE t SET v = 'move me' WHERE id = 6",
                         "UPDATE t SET v = 'copy me' WHERE id = 7", "UPDATE t SET v = 'replace me' WHERE id = 8",
                         "INSERT INTO t VALUES (2, 'replace me'), (1, 'delete me')",
                         "UPDATE t SET v = 'then updated' WHERE id = 2"}}),
        "");
}

TEST_F(Mirror, FollowsTriggersThatRunAtCommit) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (id int PRIMARY KEY, v int);"
                       "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                       "IF new.v < 100 THEN UPDATE t SET v = v + 100 WHERE id = new.id; END IF; RETURN NULL; END $$;"
                       "CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR "
                       "EACH ROW EXECUTE FUNCTION late()",
             .rows = "INSERT INTO t VALUES (1, 1), (2, 2)",
             .changes = {"BEGIN; UPDATE t SET v = 3 WHERE id = 1; UPDATE t SET v = 4 WHERE id = 1; COMMIT",
                         "BEGIN; INSERT INTO t VALUES (3, 3); DELETE FROM t WHERE id = 3; COMMIT",
                         "BEGIN; UPDATE t SET id = 30, v = 1 WHERE id = 2; COMMIT"}}),
        "");
}

TEST_F(Mirror, FollowsCascadesInsideOneTable) {
    for (const auto* deferred : {"", " DEFERRABLE INITIALLY DEFERRED"}) {
        Mirrored mirrored;
        EXPECT_EQ(differences_however_batched(
                      mirrored,
                      {.tables = fmt::format("CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t ON UPDATE "
                                             "CASCADE ON DELETE CASCADE{0}, v text);"
                                             "CREATE TABLE u (id int PRIMARY KEY, parent int REFERENCES u ON UPDATE "
                                             "CASCADE ON DELETE SET NULL{0}, v text)",
                                             deferred),
                       .rows = "INSERT INTO t VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'c'), (5, 5, "
                               "'self'), (6, 5, 'd'); INSERT INTO u SELECT * FROM t",
                       .changes = {"UPDATE t SET id = 10 WHERE id = 1; UPDATE u SET id = 10 WHERE id = 1",
                                   "UPDATE t SET id = id + 100, v = v || '!'; UPDATE u SET id = id + 100, v = v || '!'",
                                   "UPDATE t SET id = 50 WHERE v = 'self!'; UPDATE u SET id = 50 WHERE v = 'self!'",
                                   "DELETE FROM t WHERE id = 102; DELETE FROM u WHERE id = 102",
                                   "BEGIN; DELETE FROM t WHERE id = 50; INSERT INTO t VALUES (50, NULL, 'again'); "
                                   "DELETE FROM u WHERE id = 50; INSERT INTO u VALUES (50, NULL, 'again'); COMMIT"},
                       .compare = {"t", "u"}}),
                  "")
            << deferred;
    }
}

TEST_F(Mirror, FollowsCascadesBetweenTables) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (a int REFERENCES a ON UPDATE "
                       "CASCADE ON DELETE CASCADE, id int, v text, PRIMARY KEY (a, id))",
             .rows =
                 "INSERT INTO a VALUES (1, 'x'), (2, 'y'); INSERT INTO b VALUES (1, 1, 'p'), (1, 2, 'q'), (2, 1, 'r')",
             .changes = {"UPDATE a SET id = id + 1 WHERE id = 2",
                         "UPDATE a SET id = 20 WHERE id = 1; UPDATE b SET v = 'changed'",
                         "DELETE FROM a WHERE id = 20"},
             .compare = {"a", "b"},
             .key = {}}),
        "");
}

TEST_F(Mirror, FollowsTreesWhosePathsATriggerKeeps) {
    run("CREATE EXTENSION ltree");
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (id int PRIMARY KEY, parent int, path ltree);"
                       "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                       "UPDATE t SET path = new.path || t.id::text WHERE parent = new.id; RETURN NULL; END $$;"
                       "CREATE TRIGGER keep AFTER UPDATE OF path ON t FOR EACH ROW WHEN (old.path IS DISTINCT FROM "
                       "new.path) EXECUTE FUNCTION keep()",
             .rows = "INSERT INTO t VALUES (1, NULL, '1'), (2, 1, '1.2'), (3, 2, '1.2.3'), (4, 3, '1.2.3.4'), (5, 1, "
                     "'1.5')",
             .changes = {"UPDATE t SET path = 'a' WHERE id = 1", "UPDATE t SET path = 'b', parent = 5 WHERE id = 2",
                         "UPDATE t SET path = subpath(path, 0, 1)", "UPDATE t SET path = 'z' || path"}}),
        "");
}

// --- partitions and children ---------------------------------------------------------------------------------------------

TEST_F(Mirror, FollowsRowsThatMoveBetweenPartitions) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (id int, k text, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);"
                       "CREATE TABLE t_a PARTITION OF t FOR VALUES IN ('a'); CREATE TABLE t_b PARTITION OF t FOR "
                       "VALUES IN ('b') PARTITION BY RANGE (id);"
                       "CREATE TABLE t_b1 PARTITION OF t_b FOR VALUES FROM (0) TO (3); CREATE TABLE t_b2 PARTITION OF "
                       "t_b DEFAULT; CREATE TABLE t_rest PARTITION OF t DEFAULT",
             .rows = "INSERT INTO t SELECT n, chr(97 + n % 3), 'row ' || n FROM generate_series(1, 9) AS n",
             .changes = {"UPDATE t SET k = 'b' WHERE k = 'a'", "UPDATE t SET id = id + 10",
                         "UPDATE t_b2 SET v = 'by its partition'", "UPDATE t SET k = 'z', v = 'rest' WHERE id < 15",
                         "DELETE FROM t WHERE id = 15; INSERT INTO t VALUES (15, 'a', 'again')",
                         "INSERT INTO t_rest VALUES (99, 'q', 'direct')"},
             .key = {"id", "k"}}),
        "");
}

TEST_F(Mirror, FollowsPartitionsThatAreAttachedDetachedTruncatedAndDropped) {
    EXPECT_EQ(
        differences_of(
            {.tables = "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE t_1 "
                       "PARTITION OF t FOR VALUES FROM (0) TO (10)",
             .rows = "INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 9) AS n",
             .changes =
                 {"CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (10) TO (20); INSERT INTO t VALUES (11, 'new "
                  "partition')",
                  "CREATE TABLE t_3 (id int PRIMARY KEY, v text); INSERT INTO t_3 VALUES (21, 'brought along'); ALTER "
                  "TABLE t ATTACH PARTITION t_3 FOR VALUES FROM (20) TO (30); UPDATE t SET v = v || '!' WHERE id > 8",
                  "TRUNCATE t_2", "INSERT INTO t VALUES (12, 'after truncate')", "ALTER TABLE t DETACH PARTITION t_3",
                  "UPDATE t_3 SET v = 'detached'; INSERT INTO t_3 VALUES (22, 'x')",
                  "ALTER TABLE t ATTACH PARTITION t_3 FOR VALUES FROM (20) TO (30)", "DROP TABLE t_2",
                  "TRUNCATE t; INSERT INTO t VALUES (1, 'a'), (21, 'b')"},
             .key = {}}),
        "");
}

TEST_F(Mirror, OfADetachedPartitionIsATableOfItsOwn) {
    run("CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR "
        "VALUES FROM (0) TO (10); CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (10) TO (20)");
    mirrored_.init();
    run("INSERT INTO t VALUES (1, 'a'), (11, 'b')");
    mirrored_.sync();
    run("ALTER TABLE t DETACH PARTITION t_2; UPDATE t_2 SET v = 'own'");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.differences("t") + mirrored_.differences("t_2") + mirrored_.verify(), "");
    run("INSERT INTO t_2 VALUES (100, 'c')");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.differences("t") + mirrored_.differences("t_2") + mirrored_.verify(), "");
}

TEST_F(Mirror, OfAParentHoldsItsOwnRowsAndTheChildrensAreTheirs) {
    EXPECT_EQ(differences_of(
                  {.tables = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE child (extra int, PRIMARY KEY "
                             "(id)) INHERITS (t)",
                   .rows = "INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (3, 'c', 1), (4, 'd', 2)",
                   .changes = {"UPDATE t SET v = v || '!'", "UPDATE t SET id = id + 10",
                               "DELETE FROM t WHERE id IN (11, 13)", "UPDATE ONLY t SET v = 'only'"},
                   .compare = {"t", "child"}}),
              "");
}

// --- names -----------------------------------------------------------------------------------------------------------------

TEST_F(Mirror, KeepsNamesOfEveryKind) {
    const std::vector<std::string> names{
        "new_rows",           "r",          "data",    "op",   "select",     "q\"uote",
        "apo'strophe",        "100%",       "%s%I",    "$1",   "{{mirror}}", "{0}",
        "back\\slash",        "new\nline",  "dot.ted", "名前", "😀",          "semi;--colon",
        std::string(63, 'x'), "/* comment", "main",    "lake", "  ",         "cdc"};
    std::string columns;
    for (const auto* name : {"c0", "c1", "seq", "op", "xid", "nested", "wrong", "data", "row", "rel", "columns",
                             "is_new", "in_doubt", "rowid", "row_to_json", "snapshot_id", "net", "mirror", "fresh"})
        columns += fmt::format(", {} text DEFAULT 'x'", quote_ident(name));
    for (const auto& name : names) {
        if (name != "data" && name != "op") columns += fmt::format(", {} int DEFAULT 1", quote_ident(name));
    }
    std::vector<std::string> tables{"\"Ünï\".\"Table\"", "wide.t"};
    run("CREATE SCHEMA \"Ünï\"; CREATE TABLE \"Ünï\".\"Table\" (\"ID\" int PRIMARY KEY, v text); CREATE SCHEMA wide; "
        "CREATE TABLE wide.t (\"c2\" int PRIMARY KEY, v text" +
        columns + ")");
    for (const auto& name : names) {
        const std::string ident = quote_ident(name);
        run(
            fmt::format("CREATE TABLE public.{0} ({0} text PRIMARY KEY, v text); CREATE SCHEMA {0}; CREATE TABLE {0}.t "
                        "({0} int, other text, v text, PRIMARY KEY (other, {0}))",
                        ident));
        tables.push_back("public." + ident);
        tables.push_back(ident + ".t");
    }
    mirrored_.init();
    mirrored_.sync();
    const auto fill = [&] {
        run("INSERT INTO \"Ünï\".\"Table\" VALUES (1, 'a'), (2, 'b'); INSERT INTO wide.t (c2, v) VALUES (1, 'a'), (2, "
            "'b')");
        for (const auto& name : names) {
            run(
                fmt::format("INSERT INTO public.{0} VALUES ('1', 'a'), ('2', 'b'); INSERT INTO {0}.t VALUES (1, 'o', "
                            "'a'), (2, 'o', 'b')",
                            quote_ident(name)));
        }
    };
    const auto change = [&] {
        run("UPDATE \"Ünï\".\"Table\" SET \"ID\" = -\"ID\"; UPDATE wide.t SET op = 'new', c2 = 3 WHERE c2 = 1; DELETE "
            "FROM wide.t WHERE c2 = 2; INSERT INTO wide.t (c2, v) VALUES (2, 'again')");
        for (const auto& name : names) {
            run(
                fmt::format("UPDATE public.{0} SET {0} = '3' WHERE {0} = '1'; DELETE FROM public.{0} WHERE {0} = '2'; "
                            "UPDATE {0}.t SET v = 'c' WHERE {0} = 1; UPDATE {0}.t SET {0} = 7 WHERE {0} = 2",
                            quote_ident(name)));
        }
    };
    fill();
    mirrored_.sync();
    change();
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify(), "");
    for (const auto& table : tables) {
        EXPECT_EQ(mirrored_.state(table), "mirrored") << table;
        EXPECT_EQ(mirrored_.differences(table), "");
    }
}

TEST_F(Mirror, AsksTheSourceAboutTablesOfEveryName) {
    for (const auto* name : {"select", "q\"uote", "apo'strophe", "100%", "{0}", "back\\slash", "row_to_json", "r", "c0",
                             "asked", "data"}) {
        const std::string t = quote_ident(std::string("t ") + name);
        const std::string c = quote_ident(name);
        run(
            fmt::format("CREATE TABLE {0} ({1} text PRIMARY KEY, v int); INSERT INTO {0} VALUES ('it''s', 1);"
                        "CREATE FUNCTION {2}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN IF new.v < 100 THEN "
                        "UPDATE {0} SET v = v + 100 WHERE {1} = new.{1}; END IF; RETURN NULL; END $f$;"
                        "CREATE TRIGGER bump AFTER INSERT OR UPDATE ON {0} FOR EACH ROW EXECUTE FUNCTION {2}()",
                        t, c, quote_ident(std::string("f ") + name)));
    }
    mirrored_.init();
    mirrored_.sync();
    for (const auto* name : {"select", "q\"uote", "apo'strophe", "100%", "{0}", "back\\slash", "row_to_json", "r", "c0",
                             "asked", "data"}) {
        run(fmt::format("UPDATE {0} SET v = 5; INSERT INTO {0} VALUES ('\"ü''\\', 7), ('100%', 8)",
                        quote_ident(std::string("t ") + name)));
    }
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify(), "");
    EXPECT_EQ(mirrored_.differences("\"t q\"\"uote\"") + mirrored_.differences("\"t select\""), "");
}

// --- a restart ---------------------------------------------------------------------------------------------------------------

TEST_F(Mirror, IsFollowedByAnEiderThatKnowsOnlyWhatTheLakeKnows) {
    run(simple);
    mirrored_.init();
    run(five_rows);
    mirrored_.pipeline.must({"sync"});
    run("UPDATE t SET id = 6 - id + 10; ALTER TABLE t ADD n int DEFAULT 3; DELETE FROM t WHERE id = 11");
    mirrored_.pipeline.must({"sync"});
    EXPECT_EQ(mirrored_.differences("t"), "");
    run("UPDATE t SET n = id");
    mirrored_.pipeline.must({"sync", "--until-empty"});
    EXPECT_EQ(mirrored_.differences("t"), "");
    EXPECT_EQ(mirrored_.sync(), 0);
    EXPECT_EQ(mirrored_.verify(), "");
}

TEST_F(Mirror, ThatWasTamperedWithIsFoundByVerifyAndMadeAnewByResync) {
    run(simple);
    run(five_rows);
    mirrored_.init();
    mirrored_.sync();
    mirrored_.eider().lake.session().run(
        "DELETE FROM lake.public.t WHERE id = 1; UPDATE lake.public.t SET v = 'wrong' WHERE id = 2; INSERT INTO "
        "lake.public.t VALUES (3, 'row 3')");
    mirrored_.stop();
    EXPECT_NE(mirrored_.differences("t"), "");
    const Finished found = mirrored_.pipeline.eider({"verify"});
    EXPECT_EQ(found.exit_code, 31) << found.out << found.err;
    EXPECT_THAT(found.out, HasSubstr("id = 1; id = 2; id = 3"));
    EXPECT_THAT(found.out, HasSubstr("2 missing or different, 2 too many or different"));
    mirrored_.pipeline.must({"resync", "public.t"});
    mirrored_.pipeline.must({"verify"});
    EXPECT_EQ(mirrored_.differences("t"), "");
}

}  // namespace
}  // namespace eider::test
