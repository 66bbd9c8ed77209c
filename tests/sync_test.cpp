// init, changes, sync, and what somebody who does not know eider then reads in the lake.
#include <csignal>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "support/pipeline.h"
#include "support/wait.h"

namespace eider::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Row = Pipeline::Row;

constexpr const char* orders = "CREATE TABLE orders (id int PRIMARY KEY, item text)";

// One JSON document a line, as `sync --json` prints them.
std::vector<nlohmann::json> json_lines(const std::string& text) {
    std::vector<nlohmann::json> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line));
    return out;
}

long long events_in(const std::string& json_text) {
    long long events = 0;
    for (const auto& line : json_lines(json_text.substr(0, json_text.rfind('\n') + 1)))
        events += line.value("events", 0);
    return events;
}

std::string epoch_rows(const Pipeline& pipeline) {
    return pipeline.must({"query", "--csv", "SELECT epoch, committed_at FROM eider.log WHERE kind = 'epoch'"});
}

// --- all catalogs --------------------------------------------------------------------------------------------------

class Sync : public testing::TestWithParam<CatalogKind> {};

std::string name_of(const testing::TestParamInfo<CatalogKind>& info) {
    switch (info.param) {
        case CatalogKind::duckdb: return "DuckDbCatalog";
        case CatalogKind::sqlite: return "SqliteCatalog";
        default: return "PostgresCatalog";
    }
}

INSTANTIATE_TEST_SUITE_P(EveryCatalog, Sync,
                         testing::Values(CatalogKind::source, CatalogKind::duckdb, CatalogKind::sqlite), name_of);

TEST_P(Sync, BringsEachChangeToAStrangerInTheColumnsOfTheDesign) {
    Pipeline pipeline(GetParam());
    pipeline.application.run(orders);
    pipeline.init();
    pipeline.application.run("INSERT INTO orders VALUES (1, 'tea'), (2, 'salt')");
    pipeline.application.run(
        "UPDATE orders SET item = 'rye' WHERE id = 2; DELETE FROM orders WHERE id = 1; TRUNCATE orders");
    EXPECT_THAT(pipeline.must({"sync"}), HasSubstr("batch 1: 5 events of 1 table"));

    EXPECT_THAT(
        pipeline.lake("SELECT column_name, column_type FROM (DESCRIBE cdc)"),
        ElementsAre(Row{"dl_ts", "TIMESTAMP WITH TIME ZONE"}, Row{"cdc_uuid", "UUID"},
                    Row{"cdc_ts", "TIMESTAMP WITH TIME ZONE"}, Row{"cdc_op", "VARCHAR"}, Row{"table_schema", "VARCHAR"},
                    Row{"table_name", "VARCHAR"}, Row{"data", "JSON"}, Row{"seq", "BIGINT"}, Row{"xid", "BIGINT"},
                    Row{"batch", "BIGINT"}, Row{"origin", "VARCHAR"}, Row{"before", "JSON"}, Row{"context", "JSON"},
                    Row{"nested", "BOOLEAN"}));
    EXPECT_THAT(
        pipeline.lake("SELECT cdc_op, table_schema, table_name, data->>'id', data->>'item', batch, origin, nested "
                      "FROM lake.cdc ORDER BY batch, seq"),
        ElementsAre(Row{"I", "public", "orders", "1", "tea", "1", "captured", "False"},
                    Row{"I", "public", "orders", "2", "salt", "1", "captured", "False"},
                    Row{"U", "public", "orders", "2", "rye", "1", "captured", "False"},
                    Row{"D", "public", "orders", "1", "tea", "1", "captured", "False"},
                    Row{"T", "public", "orders", "NULL", "NULL", "1", "captured", "False"}));
    EXPECT_THAT(
        pipeline.lake(
            "SELECT count(*) FILTER (dl_ts < cdc_ts OR cdc_ts IS NULL), count(DISTINCT dl_ts), count(DISTINCT xid), "
            "count(DISTINCT seq) FROM cdc"),
        ElementsAre(Row{"0", "1", "2", "5"}));
    EXPECT_THAT(pipeline.lake("SELECT kind, batch, events, tables FROM lake.eider.log ORDER BY kind"),
                ElementsAre(Row{"batch", "1", "5", "1"}, Row{"epoch", "0", "NULL", "NULL"}));
}

TEST_P(Sync, BringsATransactionThatIsOpenAcrossABatchWithTheLaterOneOnce) {
    Pipeline pipeline(GetParam());
    pipeline.application.run(orders);
    pipeline.init();
    Client slow(pipeline.source.uri);
    slow.run("BEGIN; INSERT INTO orders VALUES (1, 'begun first')");
    pipeline.application.run("INSERT INTO orders VALUES (2, 'committed first')");
    pipeline.must({"sync"});
    slow.run("COMMIT");
    pipeline.application.run("INSERT INTO orders VALUES (3, 'last')");
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake("SELECT batch, data->>'item' FROM cdc ORDER BY batch, seq"),
                ElementsAre(Row{"1", "committed first"}, Row{"2", "begun first"}, Row{"2", "last"}));
    EXPECT_EQ(pipeline.lake_value("SELECT max(cdc_ts) FILTER (batch = 1) > min(cdc_ts) FILTER (batch = 2) FROM cdc"),
              "True");
}

TEST_P(Sync, OpensNoLakeSnapshotWhenThereIsNothingToMove) {
    Pipeline pipeline(GetParam());
    pipeline.application.run(orders);
    pipeline.init();
    pipeline.application.run("INSERT INTO orders VALUES (1, 'tea')");
    pipeline.must({"sync"});
    const std::string newest = "SELECT max(snapshot_id), count(*) FROM ducklake_snapshots('lake')";
    const auto before = pipeline.lake(newest);
    EXPECT_EQ(pipeline.must({"sync"}), "nothing to move\n");
    EXPECT_EQ(pipeline.must({"sync", "--until-empty"}), "");
    EXPECT_EQ(pipeline.lake(newest), before);
}

TEST_P(Sync, EveryInASecondEndsCleanlyOnASignalLosesNothingAndNeedsNoTakeover) {
    Pipeline pipeline(GetParam());
    pipeline.application.run(orders);
    pipeline.init();
    const std::string epoch = epoch_rows(pipeline);
    int id = 0;
    for (const int number : {SIGTERM, SIGINT}) {
        Process every = pipeline.start({"sync", "--every", "20ms", "--json"});
        const int until = id + 30;
        while (id < until) pipeline.application.run(fmt::format("INSERT INTO orders VALUES ({}, 'tea')", ++id));
        EXPECT_TRUE(wait_until([&] { return events_in(every.out()) >= 20; }));
        for (int i = 0; i < 5; ++i)
            pipeline.application.run(fmt::format("INSERT INTO orders VALUES ({}, 'late')", ++id));
        every.signal(number);
        const Finished finished = every.wait();
        EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
        pipeline.must({"sync"});
        EXPECT_EQ(epoch_rows(pipeline), epoch) << "a run that ended cleanly was taken over";
    }
    EXPECT_THAT(pipeline.lake("SELECT count(*), count(DISTINCT data->>'id') FROM cdc"),
                ElementsAre(Row{std::to_string(id), std::to_string(id)}));
}

TEST_P(Sync, KeepsSmallBatchesInTheCatalogAndWritesFilesOfLargeOnes) {
    Pipeline pipeline(GetParam());
    pipeline.application.run(orders);
    pipeline.init();
    const auto files = [&] {
        namespace fs = std::filesystem;
        return std::count_if(fs::recursive_directory_iterator(pipeline.folder.path()), {},
                             [](const fs::directory_entry& entry) { return entry.path().extension() == ".parquet"; });
    };
    pipeline.application.run("INSERT INTO orders SELECT i, 'small' FROM generate_series(1, 1000) AS i");
    pipeline.must({"sync"});
    EXPECT_EQ(files(), 0);
    pipeline.application.run("INSERT INTO orders SELECT i, 'large' FROM generate_series(1001, 2001) AS i");
    pipeline.must({"sync"});
    EXPECT_EQ(files(), 1);
    EXPECT_THAT(
        pipeline.lake("SELECT count(*), count(DISTINCT data->>'id'), sum(seq) FROM cdc GROUP BY batch ORDER BY batch"),
        ElementsAre(Row{"1000", "1000", "500500"}, Row{"1001", "1001", "1502501"}));
}

TEST_P(Sync, TakesPathsWithSpacesQuotesAndUnicode) {
    Pipeline pipeline(GetParam());
    const std::string data = pipeline.folder / "it's a \"lake\"; größe-湖 %s";
    pipeline.environment["EIDER_DATA_PATH"] = data;
    if (GetParam() == CatalogKind::source) pipeline.environment["EIDER_CATALOG_SCHEMA"] = "Eider's \"lake\" 湖";
    if (GetParam() == CatalogKind::duckdb)
        pipeline.environment["EIDER_CATALOG"] = pipeline.folder / "it's \"größe\".ducklake";
    if (GetParam() == CatalogKind::sqlite)
        pipeline.environment["EIDER_CATALOG"] = "sqlite:" + pipeline.folder / "it's größe.sqlite";
    pipeline.application.run(orders);
    pipeline.init();
    pipeline.application.run("INSERT INTO orders SELECT i, 'tea' FROM generate_series(1, 2000) AS i");
    pipeline.must({"sync"});
    EXPECT_FALSE(std::filesystem::is_empty(data));
    EXPECT_EQ(pipeline.lake_value("SELECT count(DISTINCT data->>'id') FROM cdc"), "2000");
}

// --- one catalog is enough ------------------------------------------------------------------------------------------

TEST(Sync, BringsEachEventOnceThroughSeveralStreams) {
    Pipeline pipeline;
    pipeline.application.run("CREATE TABLE wide (id int PRIMARY KEY, filler text)");
    pipeline.init();
    int id = 0;
    for (const char* streams : {"1", "2", "3"}) {
        // Some pages of the slot, and one row: ranges that are empty, too.
        for (const int rows : {1, 3000}) {
            pipeline.application.run(fmt::format(
                "INSERT INTO wide SELECT i, repeat('x', 100) FROM generate_series({}, {}) AS i", id + 1, id + rows));
            id += rows;
            EXPECT_THAT(pipeline.must({"sync"}, {{"EIDER_COPY_STREAMS", streams}}),
                        HasSubstr(fmt::format(": {} event", with_separators(rows))));
        }
    }
    EXPECT_THAT(
        pipeline.lake(
            "SELECT count(*), count(DISTINCT seq), count(DISTINCT data->>'id'), max((data->>'id')::INT) FROM cdc"),
        ElementsAre(Row{std::to_string(id), std::to_string(id), std::to_string(id), std::to_string(id)}));
}

TEST(Sync, UntilEmptyMovesWhatIsThereAndSaysSoInOneJsonLineABatch) {
    Pipeline pipeline;
    pipeline.application.run(orders);
    pipeline.init();
    pipeline.application.run("INSERT INTO orders VALUES (1, 'tea'); INSERT INTO orders VALUES (2, 'größe')");
    const auto lines = json_lines(pipeline.must({"sync", "--until-empty", "--json"}));
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("batch"), 1);
    EXPECT_EQ(lines[0].at("events"), 2);
    EXPECT_EQ(lines[0].at("tables"), 1);
    const std::string data = R"({"id":1,"item":"tea"}{"id":2,"item":"größe"})";
    EXPECT_EQ(lines[0].at("bytes"), data.size());
    EXPECT_GE(lines[0].at("seconds"), 0);
    EXPECT_GE(lines[0].at("lag_s"), 0);
    EXPECT_EQ(pipeline.lake_number("SELECT count(*) FROM cdc"), 2);
}

TEST(Sync, GivesEachEventAUuidOfVersion7OfItsTimeInTheOrderOfTimes) {
    Pipeline pipeline;
    pipeline.application.run(orders);
    pipeline.init();
    for (int i = 1; i <= 5; ++i)
        pipeline.application.run(
            fmt::format("INSERT INTO orders SELECT {} * 100 + i FROM generate_series(1, 20) AS i", i));
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake(
                    "SELECT count(*), count(DISTINCT cdc_uuid), count(*) FILTER (uuid_extract_version(cdc_uuid) = 7), "
                    "count(*) FILTER (epoch_ms(uuid_extract_timestamp(cdc_uuid)) = epoch_ms(cdc_ts)) FROM cdc"),
                ElementsAre(Row{"100", "100", "100", "100"}));
    EXPECT_EQ(
        pipeline.lake_value(
            "SELECT list(seq ORDER BY cdc_uuid) = list(seq ORDER BY date_trunc('millisecond', cdc_ts), seq) FROM cdc"),
        "True");
}

TEST(Sync, GivesTheSameEventTheSameUuidInAnotherLake) {
    Pipeline pipeline;
    pipeline.application.run(orders);
    pipeline.init();
    const Variables other{{"EIDER_CONSUMER", "other"},
                          {"EIDER_CATALOG_SCHEMA", "other_lake"},
                          {"EIDER_DATA_PATH", pipeline.folder / "other"}};
    pipeline.must({"init", pipeline.source.uri}, other);
    pipeline.application.run("INSERT INTO orders SELECT i FROM generate_series(1, 50) AS i");
    pipeline.must({"sync"});
    pipeline.must({"sync"}, other);
    const std::string uuids = "SELECT string_agg(seq || ' ' || cdc_uuid, ',' ORDER BY seq) AS all FROM cdc";
    const std::string here = pipeline.must({"query", uuids});
    EXPECT_THAT(here, HasSubstr("50 "));
    EXPECT_EQ(pipeline.must({"query", uuids}, other), here);
}

TEST(Sync, AttachesANewTableThatMatchesAndBringsItsChangesFromThenOn) {
    Pipeline pipeline;
    pipeline.application.run("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)");
    pipeline.must({"init", pipeline.source.uri, "--tables", "shop.*"});
    pipeline.application.run("CREATE TABLE shop.customers (id int); CREATE TABLE elsewhere (id int)");
    pipeline.must({"sync"});
    pipeline.application.run("INSERT INTO shop.customers VALUES (1); INSERT INTO elsewhere VALUES (1)");
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake("SELECT table_schema, table_name FROM cdc"), ElementsAre(Row{"shop", "customers"}));
}

TEST(Sync, ARunningLoopAttachesANewTableToo) {
    Pipeline pipeline;
    pipeline.init();
    Process every = pipeline.start({"sync", "--every", "20ms", "--json"});
    pipeline.application.run("CREATE TABLE fresh (id int)");
    EXPECT_TRUE(wait_until([&] {
        return pipeline.application.number("SELECT count(*) FROM pg_trigger WHERE tgname = 'eider_insert'") == 1;
    }));
    pipeline.application.run("INSERT INTO fresh VALUES (1)");
    EXPECT_TRUE(wait_until([&] { return events_in(every.out()) == 1; })) << every.out() << every.err();
    every.signal(SIGTERM);
    EXPECT_EQ(every.wait().exit_code, 0);
}

TEST(Sync, BringsTheEventsOfADroppedTableUnderItsName) {
    Pipeline pipeline;
    pipeline.application.run("CREATE TABLE doomed (id int); CREATE TABLE kept (id int)");
    pipeline.init();
    pipeline.application.run("INSERT INTO doomed VALUES (1); INSERT INTO kept VALUES (2); DROP TABLE doomed");
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake("SELECT table_schema, table_name, data->>'id' FROM cdc ORDER BY seq"),
                ElementsAre(Row{"public", "doomed", "1"}, Row{"public", "kept", "2"}));
}

TEST(Sync, BringsARenamedTablesEventsUnderItsNewNameFromTheNextSyncOn) {
    Pipeline pipeline;
    pipeline.application.run("CREATE TABLE before (id int)");
    pipeline.init();
    pipeline.application.run("INSERT INTO before VALUES (1)");
    pipeline.must({"sync"});
    pipeline.application.run("ALTER TABLE before RENAME TO after; INSERT INTO after VALUES (2)");
    pipeline.must({"sync"});
    pipeline.application.run(
        "CREATE SCHEMA archive; ALTER TABLE after SET SCHEMA archive; INSERT INTO archive.after VALUES (3)");
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake("SELECT table_schema, table_name, data->>'id' FROM cdc ORDER BY seq"),
                ElementsAre(Row{"public", "before", "1"}, Row{"public", "after", "2"}, Row{"archive", "after", "3"}));
}

TEST(Sync, OfAnEmptyDatabaseMovesNothing) {
    Pipeline pipeline;
    EXPECT_THAT(pipeline.must({"init", pipeline.source.uri}), HasSubstr("0 captured"));
    EXPECT_EQ(pipeline.must({"sync"}), "nothing to move\n");
    EXPECT_EQ(pipeline.must({"sync", "--json"}), "{\"events\":0}\n");
    EXPECT_EQ(pipeline.lake_number("SELECT count(*) FROM cdc"), 0);
}

TEST(Sync, FillsALakeWhoseCatalogLiesInAnotherDatabase) {
    Pipeline pipeline;
    const Database catalog = fresh_database();
    pipeline.environment["EIDER_CATALOG"] = catalog.uri;
    pipeline.application.run(orders);
    pipeline.init();
    pipeline.application.run("INSERT INTO orders VALUES (1, 'tea')");
    pipeline.must({"sync"});
    EXPECT_EQ(pipeline.lake_value("SELECT data->>'item' FROM cdc"), "tea");
    EXPECT_EQ(pipeline.application.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'eider_lake'"), 0);
    EXPECT_EQ(Client(catalog.uri).number("SELECT count(*) FROM pg_namespace WHERE nspname = 'eider_lake'"), 1);
}

TEST(Sync, FillsALakeWhoseCatalogLiesOnAnotherServer) {
    dev::Server server = dev::Server::start();
    const Database catalog = fresh_database(server);
    Pipeline pipeline;
    pipeline.environment["EIDER_CATALOG"] = catalog.uri;
    pipeline.application.run(orders);
    pipeline.init();
    pipeline.application.run("INSERT INTO orders VALUES (1, 'tea')");
    pipeline.must({"sync"});
    const auto rows =
        ask_as_stranger(pipeline.must({"attach"}), "SELECT data->>'item' FROM cdc", server.address().password);
    EXPECT_THAT(rows, ElementsAre(Row{"tea"}));
}

TEST(Sync, BringsHostileNamesUnharmed) {
    const std::vector<std::string> names{"it's",        "\"quoted\"", "semi;colon", "per%cent %s",       "größe-湖",
                                         "new_rows",    "old_rows",   "select",     "{{cursor}}",        "$1",
                                         "back\\slash", "new\nline",  " ",          std::string(63, 'n')};
    Pipeline pipeline;
    for (const auto& name : names) {
        pipeline.application.run(
            fmt::format("CREATE SCHEMA {0}; CREATE TABLE {0}.{0} ({0} int PRIMARY KEY, other int)", quote_ident(name)));
    }
    pipeline.init();
    std::vector<Row> expected;
    for (const auto& name : names) {
        pipeline.application.run(
            fmt::format("INSERT INTO {0}.{0} VALUES (7, 8); UPDATE {0}.{0} SET {0} = 9", quote_ident(name)));
        for (const auto& [op, value] : {std::pair{"I", "7"}, {"D", "7"}, {"U", "9"}})
            expected.push_back({op, name, name, value, "8"});
    }
    pipeline.must({"sync"});
    auto rows = pipeline.lake(
        "SELECT cdc_op, table_schema, table_name, from_json(data, '\"MAP(VARCHAR, INT)\"')[table_name], data->>'other' "
        "FROM cdc ORDER BY batch, seq");
    EXPECT_EQ(rows, expected);
}

TEST(Sync, BringsTheTextOfALatin1DatabaseAsUtf8) {
    static int made = 0;
    const std::string name = fmt::format("latin1_{}", ++made);
    Client(shared_server().connection_string())
        .run(fmt::format("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", name));
    Pipeline pipeline(CatalogKind::source, {name, shared_server().connection_string(name)});
    pipeline.application.run("SET client_encoding = 'UTF8'");
    pipeline.application.run("CREATE TABLE \"größe\" (\"straße\" text)");
    pipeline.environment["EIDER_CATALOG"] = pipeline.folder / "catalog.ducklake";
    pipeline.init();
    pipeline.application.run("INSERT INTO \"größe\" VALUES ('Käse für Ångström')");
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake("SELECT table_name, data->>'straße' FROM cdc"),
                ElementsAre(Row{"größe", "Käse für Ångström"}));
}

TEST(Sync, OfASqlAsciiDatabaseBringsWhatIsUtf8AndNamesWhatIsNot) {
    Client(shared_server().connection_string())
        .run("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    Pipeline pipeline(CatalogKind::source, {"ascii", shared_server().connection_string("ascii")});
    pipeline.application.run("CREATE TABLE notes (id int PRIMARY KEY, note text)");
    pipeline.environment["EIDER_CATALOG"] = pipeline.folder / "catalog.ducklake";
    pipeline.init();
    pipeline.application.run("INSERT INTO notes VALUES (1, 'Käse')");
    pipeline.must({"sync"});
    EXPECT_THAT(pipeline.lake("SELECT data->>'note' FROM cdc"), ElementsAre(Row{"Käse"}));
    pipeline.application.run("INSERT INTO notes VALUES (2, E'K\\xe4se')");
    const Finished refused = pipeline.eider({"sync"});
    EXPECT_EQ(refused.exit_code, 30);  // unrepresentable
    EXPECT_THAT(refused.err, HasSubstr("UTF8"));
    EXPECT_THAT(refused.err, HasSubstr("hint: "));
    EXPECT_EQ(pipeline.lake_number("SELECT count(*) FROM cdc"), 1);
}

}  // namespace
}  // namespace eider::test
