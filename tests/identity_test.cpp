// Which database a lake is filled from: what does not fit together is refused before anything is changed, and what init
// put into a source uninstall takes out again.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pipeline.h"
#include "support/wait.h"

namespace eider::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Row = Pipeline::Row;

constexpr int config = 2;
constexpr int denied = 13;
constexpr int source_changed = 15;
constexpr int source_rejected = 12;
constexpr int not_installed = 16;
constexpr int lake_unavailable = 20;

// Everything in the catalogs of a database that a person could have put there, by name: schemas, relations with their
// columns, functions, triggers, rights; and what eider notes about itself.
std::string catalogs(const std::string& uri) {
    Client client(uri);
    std::string out;
    const auto add = [&](const std::string& sql) {
        for (const auto& row : client.run(sql)) {
            for (const auto& cell : row) out += cell.value_or("NULL") + " ";
            out += "\n";
        }
    };
    add("SELECT nspname, nspacl, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)' ORDER "
        "BY 1");
    add("SELECT oid::regclass::text, relkind, relacl, relowner::regrole, reloptions FROM pg_class "
        "WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1");
    add("SELECT attrelid::regclass::text, attname, atttypid::regtype, attacl FROM pg_attribute JOIN pg_class AS c ON "
        "c.oid = attrelid "
        "WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND attnum > 0 "
        "ORDER BY 1, 2");
    add("SELECT oid::regprocedure::text, md5(prosrc), proacl FROM pg_proc WHERE pronamespace::regnamespace::text NOT "
        "IN ('pg_catalog', "
        "'information_schema') ORDER BY 1");
    add("SELECT tgname, tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER "
        "BY 1, 2");
    add("SELECT typname FROM pg_type WHERE typnamespace::regnamespace::text NOT IN ('pg_catalog', "
        "'information_schema', 'pg_toast') ORDER BY 1");
    if (client.value("SELECT to_regclass('audit.installation') IS NOT NULL") == "t") {
        add("SELECT i::text FROM audit.installation AS i");
        add("SELECT c::text FROM audit.consumer AS c ORDER BY 1");
        add("SELECT r::text FROM audit.relation AS r ORDER BY 1");
        add("SELECT c::text FROM audit.cdc AS c ORDER BY seq");
    }
    return out;
}

std::string roles() {
    std::string out;
    for (const auto& row : Client(shared_server().connection_string()).run("SELECT rolname FROM pg_roles ORDER BY 1"))
        out += row[0].value_or("") + " ";
    return out;
}

// Names and contents of all files below a folder.
std::string files_in(const TempFolder& folder) {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
        std::string text = entry.path().string();
        if (entry.is_regular_file()) {
            std::ifstream file(entry.path());
            text += "\n" + std::string(std::istreambuf_iterator<char>(file), {});
        }
        all.insert(text);
    }
    std::string out;
    for (const auto& one : all) out += one + "\n";
    return out;
}

std::string lake_log(const Pipeline& pipeline) {
    return pipeline.must(
        {"query", "--csv", "SELECT *, (SELECT count(*) FROM cdc) AS events FROM eider.log ORDER BY ALL"});
}

// A database of the shared server that is a copy of another one, which nobody may be connected to meanwhile.
Database copy_of(const Database& original) {
    Client server(shared_server().connection_string());
    const std::string name = original.name + "_copy";
    server.run(
        fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", original.name));
    EXPECT_TRUE(wait_until([&] {
        return server.number(
                   fmt::format("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", original.name)) == 0;
    }));
    server.run(fmt::format("CREATE DATABASE {} TEMPLATE {}", name, original.name));
    return {name, shared_server().connection_string(name)};
}

class Identity : public testing::Test {
protected:
    // One database with one change in the lake.
    Identity() {
        pipeline_.environment["EIDER_TABLES"] = "public.*";
        pipeline_.environment["EIDER_CATALOG"] = pipeline_.folder / "catalog.ducklake";
        pipeline_.application.run("CREATE TABLE orders (id int PRIMARY KEY)");
        pipeline_.init();
        pipeline_.application.run("INSERT INTO orders VALUES (1)");
        pipeline_.must({"sync"});
    }

    // The command is refused with an error and a hint, and neither the source at `uri` nor the lake has changed.
    std::string expect_refused(const std::vector<std::string>& args, const std::string& uri,
                               const Variables& more = {}) {
        const std::string source = catalogs(uri);
        const std::string log = lake_log(pipeline_);
        const Finished refused = pipeline_.eider(args, more);
        EXPECT_EQ(refused.exit_code, source_changed) << refused.out << refused.err;
        EXPECT_THAT(refused.err, AllOf(HasSubstr("error: "), HasSubstr("hint: "))) << refused.err;
        EXPECT_EQ(catalogs(uri), source);
        EXPECT_EQ(lake_log(pipeline_), log);
        return refused.err;
    }

    std::vector<Row> ids() { return pipeline_.lake("SELECT batch, data->>'id' FROM cdc ORDER BY batch, seq"); }

    Pipeline pipeline_;
};

TEST_F(Identity, RefusesAnotherDatabaseOfTheSameCluster) {
    const Database other = fresh_database();
    Client(other.uri).run("CREATE TABLE orders (id int PRIMARY KEY)");
    expect_refused({"init", other.uri}, other.uri);
    // Also when capture is installed there, for a lake of its own.
    pipeline_.must({"init", other.uri}, {{"EIDER_CATALOG", pipeline_.folder / "other.ducklake"},
                                         {"EIDER_DATA_PATH", pipeline_.folder / "other"}});
    Client(other.uri).run("INSERT INTO orders VALUES (2)");
    EXPECT_THAT(expect_refused({"sync", "--source", other.uri}, other.uri), HasSubstr(other.name));
    expect_refused({"init", other.uri}, other.uri);
}

TEST_F(Identity, RefusesACopyMadeFromATemplateAlsoUnderTheOldName) {
    const Database copy = copy_of(pipeline_.source);
    expect_refused({"sync", "--source", copy.uri}, copy.uri);
    expect_refused({"init", copy.uri}, copy.uri);
    Client server(shared_server().connection_string());
    server.run(fmt::format("ALTER DATABASE {} RENAME TO {}_old", pipeline_.source.name, pipeline_.source.name));
    server.run(fmt::format("ALTER DATABASE {} RENAME TO {}", copy.name, pipeline_.source.name));
    Client(pipeline_.source.uri).run("INSERT INTO orders VALUES (2)");
    expect_refused({"sync"}, pipeline_.source.uri);
    expect_refused({"init"}, pipeline_.source.uri);
}

TEST_F(Identity, ACopyThatTakesThePlaceOfTheOriginalIsAdoptedWithAGap) {
    pipeline_.application.run("INSERT INTO orders VALUES (2)");  // the gap: the copy has it in the table, and in a slot
    const Database copy = copy_of(pipeline_.source);
    pipeline_.must({"init", copy.uri, "--adopt"});
    pipeline_.environment["EIDER_SOURCE"] = copy.uri;
    Client(copy.uri).run("INSERT INTO orders VALUES (3)");
    pipeline_.must({"sync", "--until-empty"});
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}, Row{"2", "3"}));
    // The original is now the one that does not belong here.
    expect_refused({"sync", "--source", pipeline_.source.uri}, pipeline_.source.uri);
    expect_refused({"init", pipeline_.source.uri}, pipeline_.source.uri);
}

TEST_F(Identity, RefusesADumpRestoredIntoAnotherDatabaseOfTheSameClusterUntilItIsAdopted) {
    const Database restored = fresh_database();
    const std::string dump = pipeline_.folder / "dump.sql";
    ASSERT_EQ(run({"pg_dump", "--file", dump, pipeline_.source.uri}).exit_code, 0);
    ASSERT_EQ(run({"psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", dump, restored.uri}).exit_code, 0);
    EXPECT_THAT(expect_refused({"sync", "--source", restored.uri}, restored.uri), HasSubstr("is a copy"));
    expect_refused({"init", restored.uri}, restored.uri);
    pipeline_.must({"init", restored.uri, "--adopt"});
    Client(restored.uri).run("INSERT INTO orders VALUES (2)");
    pipeline_.must({"sync", "--until-empty"}, {{"EIDER_SOURCE", restored.uri}});
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}, Row{"2", "2"}));
}

TEST_F(Identity, RefusesAnotherServer) {
    dev::Server other_server = dev::Server::start();
    const Database other = fresh_database(other_server);
    Client(other.uri).run("CREATE TABLE orders (id int PRIMARY KEY)");
    expect_refused({"init", other.uri}, other.uri);
    pipeline_.must({"init", other.uri, "--adopt"});
    Client(other.uri).run("INSERT INTO orders VALUES (2)");
    pipeline_.must({"sync"}, {{"EIDER_SOURCE", other.uri}});
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}, Row{"2", "2"}));
}

TEST_F(Identity, ACopyStartsAnewInALakeOfItsOwn) {
    pipeline_.application.run("INSERT INTO orders VALUES (2)");  // still in a slot, which is copied
    const Database copy = copy_of(pipeline_.source);
    const Variables own{{"EIDER_CATALOG", pipeline_.folder / "own.ducklake"},
                        {"EIDER_DATA_PATH", pipeline_.folder / "own"},
                        {"EIDER_SOURCE", copy.uri}};
    pipeline_.must({"init"}, own);
    Client(copy.uri).run("INSERT INTO orders VALUES (3)");
    EXPECT_THAT(pipeline_.must({"sync", "--until-empty"}, own), HasSubstr("batch 1: 1 event of 1 table"));
    EXPECT_EQ(pipeline_.must({"query", "--csv", "SELECT data->>'id' AS id FROM cdc"}, own), "id\n3\n");
    // And the original goes on as if nothing had been.
    pipeline_.must({"sync"});
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}, Row{"2", "2"}));
}

TEST_F(Identity, ADumpRestoredInAYoungerClusterStartsAnewInALakeOfItsOwn) {
    // In the younger cluster the transactions whose numbers the dump holds are still to come.
    Client burner(shared_server().connection_string());
    for (int i = 0; i < 3000; ++i) burner.run("SELECT pg_current_xact_id()");
    pipeline_.application.run("INSERT INTO orders VALUES (2)");
    dev::Server younger = dev::Server::start();
    const Database restored = fresh_database(younger);
    const std::string dump = pipeline_.folder / "dump.sql";
    ASSERT_EQ(run({"pg_dump", "--file", dump, pipeline_.source.uri}).exit_code, 0);
    // Without its roles, so that it also comes into being with other owners.
    ASSERT_EQ(run({"psql", "-q", "-X", "-f", dump, restored.uri}).exit_code, 0);
    ASSERT_EQ(Client(restored.uri).number("SELECT count(*) FROM orders"), 2);
    expect_refused({"sync", "--source", restored.uri}, restored.uri);
    expect_refused({"init", restored.uri}, restored.uri);

    const Variables own{{"EIDER_CATALOG", pipeline_.folder / "own.ducklake"},
                        {"EIDER_DATA_PATH", pipeline_.folder / "own"},
                        {"EIDER_SOURCE", restored.uri}};
    pipeline_.must({"init"}, own);
    Client(restored.uri).run("INSERT INTO orders VALUES (3)");
    EXPECT_THAT(pipeline_.must({"sync", "--until-empty"}, own), HasSubstr("batch 1: 1 event of 1 table"));
    EXPECT_EQ(pipeline_.must({"sync"}, own), "nothing to move\n");
    EXPECT_EQ(pipeline_.must({"query", "--csv", "SELECT table_name, data->>'id' AS id FROM cdc"}, own),
              "table_name,id\norders,3\n");
}

TEST_F(Identity, RefusesASecondInstallationUntilItIsAdopted) {
    pipeline_.must({"uninstall", "--yes"});
    EXPECT_EQ(pipeline_.eider({"sync"}).exit_code, not_installed);
    expect_refused({"init"}, pipeline_.source.uri);
    pipeline_.application.run("INSERT INTO orders VALUES (2)");  // the gap
    pipeline_.must({"init", "--adopt"});
    pipeline_.application.run("INSERT INTO orders VALUES (3)");
    pipeline_.must({"sync"});
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}, Row{"2", "3"}));
}

TEST_F(Identity, RefusesASecondLakeForOneConsumerUntilItIsAdopted) {
    const Variables second{{"EIDER_CATALOG", pipeline_.folder / "second.ducklake"},
                           {"EIDER_DATA_PATH", pipeline_.folder / "second"}};
    EXPECT_THAT(expect_refused({"init"}, pipeline_.source.uri, second), HasSubstr("consumer"));
    EXPECT_FALSE(std::filesystem::exists(pipeline_.folder / "second.ducklake")) << "a lake was made and then refused";
    EXPECT_FALSE(std::filesystem::exists(pipeline_.folder / "second"));
    EXPECT_EQ(pipeline_.eider({"sync"}, second).exit_code, lake_unavailable);

    pipeline_.must({"init", "--adopt"}, second);
    pipeline_.application.run("INSERT INTO orders VALUES (2)");
    pipeline_.must({"sync"}, second);
    EXPECT_EQ(pipeline_.must({"query", "--csv", "SELECT max((data->>'id')::INT) AS id FROM cdc"}, second), "id\n2\n");
}

TEST_F(Identity, AnAdoptionThatDiesHalfwayIsRefusedByASyncAndFinishedByTheNextAdoption) {
    const Variables second{{"EIDER_CATALOG", pipeline_.folder / "second.ducklake"},
                           {"EIDER_DATA_PATH", pipeline_.folder / "second"}};
    Variables dies = second;
    dies["EIDER_CRASH_AT"] = "init.adopted";  // this lake knows the consumer, the source still has it as the other's
    ASSERT_EQ(pipeline_.eider({"init", "--adopt"}, dies).exit_code, 137);
    pipeline_.application.run("INSERT INTO orders VALUES (2)");
    expect_refused({"sync"}, pipeline_.source.uri, second);
    expect_refused({"init"}, pipeline_.source.uri, second);
    pipeline_.must({"init", "--adopt"}, second);
    pipeline_.must({"sync"}, second);
    // Nothing was released yet: a lake that starts over gets all that lies in the slots.
    EXPECT_EQ(pipeline_.must({"query", "--csv", "SELECT (data->>'id')::INT AS id FROM cdc ORDER BY id"}, second),
              "id\n1\n2\n");
    expect_refused({"sync"}, pipeline_.source.uri);
}

TEST_F(Identity, RefusesAnOlderCopyOfTheLakeUntilItIsAdopted) {
    std::filesystem::copy_file(pipeline_.folder / "catalog.ducklake", pipeline_.folder / "older.ducklake");
    pipeline_.application.run("INSERT INTO orders VALUES (2)");
    pipeline_.must({"sync"});
    std::filesystem::rename(pipeline_.folder / "older.ducklake", pipeline_.folder / "catalog.ducklake");
    pipeline_.application.run("INSERT INTO orders VALUES (3)");
    EXPECT_THAT(expect_refused({"sync"}, pipeline_.source.uri), HasSubstr("confirmed batch 2"));
    EXPECT_THAT(expect_refused({"init"}, pipeline_.source.uri), HasSubstr("confirmed batch 2"));
    pipeline_.must({"init", "--adopt"});
    pipeline_.must({"sync"});
    // Nothing was released yet: there is not even a gap, and nothing twice.
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}, Row{"2", "2"}, Row{"2", "3"}));
}

TEST_F(Identity, ARenamedDatabaseIsAdoptedWithoutAGapAndNothingTwice) {
    pipeline_.application.run("INSERT INTO orders VALUES (2)");
    const std::string name = pipeline_.source.name + "_renamed";
    Client server(shared_server().connection_string());
    server.run(fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                           pipeline_.source.name));
    EXPECT_TRUE(wait_until([&] {
        return server.number(fmt::format("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'",
                                         pipeline_.source.name)) == 0;
    }));
    server.run(fmt::format("ALTER DATABASE {} RENAME TO {}", pipeline_.source.name, name));
    const std::string uri = shared_server().connection_string(name);
    pipeline_.environment["EIDER_SOURCE"] = uri;
    expect_refused({"sync"}, uri);
    pipeline_.must({"init", "--adopt"});
    Client(uri).run("INSERT INTO orders VALUES (3)");
    pipeline_.must({"sync"});
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}, Row{"2", "2"}, Row{"2", "3"}));
}

TEST_F(Identity, RefusesASourceThatWasSetBackInTime) {
    // As after a recovery to an earlier point: the lake has seen transactions that are still to come here.
    python(
        "import duckdb, sys\n"
        "lake = duckdb.connect(config={'extension_directory': sys.argv[1]})\n"
        "lake.execute(\"ATTACH 'ducklake:\" + sys.argv[2] + \"' AS lake\")\n"
        "lake.execute(\"UPDATE lake.eider.log SET cursor = '9000000:9000000:' WHERE kind = 'batch'\")\n",
        {lake::extension_directory({}).string(), pipeline_.folder / "catalog.ducklake"});
    pipeline_.application.run("INSERT INTO orders VALUES (2)");
    EXPECT_THAT(expect_refused({"sync"}, pipeline_.source.uri), HasSubstr("set back in time"));
    // Which of its changes the lake has cannot be told: not even --adopt goes on.
    expect_refused({"init"}, pipeline_.source.uri);
    expect_refused({"init", "--adopt"}, pipeline_.source.uri);
    EXPECT_THAT(ids(), ElementsAre(Row{"1", "1"}));
}

TEST_F(Identity, ASecondInitChangesNothing) {
    const std::string source = catalogs(pipeline_.source.uri);
    const std::string files = files_in(pipeline_.folder);
    const std::string log = lake_log(pipeline_);
    const std::string rows =
        pipeline_.application.value("SELECT string_agg(t::text, '') FROM (SELECT * FROM audit.consumer) AS t");
    EXPECT_THAT(pipeline_.must({"init"}), HasSubstr("1 captured, 0 of them attached now"));
    EXPECT_THAT(pipeline_.must({"init", "--adopt"}), HasSubstr("1 captured, 0 of them attached now"));
    EXPECT_EQ(catalogs(pipeline_.source.uri), source);
    EXPECT_EQ(lake_log(pipeline_), log);
    EXPECT_EQ(pipeline_.application.value("SELECT string_agg(t::text, '') FROM (SELECT * FROM audit.consumer) AS t"),
              rows);
}

// --- what init refuses -------------------------------------------------------------------------------------------------

class InitRefuses : public testing::Test {
protected:
    InitRefuses() {
        pipeline_.application.run(
            "CREATE TABLE orders (id int PRIMARY KEY); CREATE VIEW open_orders AS SELECT * FROM orders;"
            "CREATE MATERIALIZED VIEW stored AS SELECT * FROM orders; CREATE EXTENSION IF NOT EXISTS file_fdw;"
            "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
            "CREATE FOREIGN TABLE far (id int) SERVER files OPTIONS (filename '/dev/null')");
    }

    std::string refused(const std::vector<std::string>& args, int exit_code) {
        const std::string source = catalogs(pipeline_.source.uri);
        const std::string files = files_in(pipeline_.folder);
        const std::string known_roles = roles();
        const Finished finished = pipeline_.eider(args);
        EXPECT_EQ(finished.exit_code, exit_code) << finished.out << finished.err;
        EXPECT_EQ(catalogs(pipeline_.source.uri), source);
        EXPECT_EQ(files_in(pipeline_.folder), files);
        EXPECT_EQ(roles(), known_roles);
        return finished.err;
    }

    Pipeline pipeline_;
};

TEST_F(InitRefuses, WhatIsNoTable) {
    const std::string uri = pipeline_.source.uri;
    EXPECT_THAT(refused({"init", uri, "--tables", "public.open_orders"}, config),
                AllOf(HasSubstr("is a view"), HasSubstr("hint: ")));
    EXPECT_THAT(refused({"init", uri, "--tables", "public.stored"}, config),
                AllOf(HasSubstr("is a materialized view"), HasSubstr("hint: ")));
    EXPECT_THAT(refused({"init", uri, "--tables", "public.orders,public.far"}, config),
                AllOf(HasSubstr("is a foreign table"), HasSubstr("hint: ")));
}

TEST_F(InitRefuses, ATableThatIsNotThereWithASuggestion) {
    EXPECT_THAT(refused({"init", pipeline_.source.uri, "--tables", "public.ordres"}, config),
                AllOf(HasSubstr("public.ordres does not exist"), HasSubstr("did you mean public.orders?")));
}

TEST_F(InitRefuses, ARoleWithoutRights) {
    const std::string role = pipeline_.source.name + "_guest";
    pipeline_.application.run(fmt::format("CREATE ROLE {} LOGIN PASSWORD 'guest'", role));
    const std::string uri =
        fmt::format("postgresql://{}:guest@127.0.0.1:{}/{}", role, shared_server().port(), pipeline_.source.name);
    EXPECT_THAT(refused({"init", uri, "--tables", "public.orders"}, denied),
                AllOf(HasSubstr("public.orders"), HasSubstr("GRANT")));
    EXPECT_THAT(refused({"init", uri}, denied), HasSubstr("hint: "));  // a pattern that matches nothing it may have
    pipeline_.application.run("DROP ROLE " + role);
}

TEST_F(InitRefuses, AStandby) {
    dev::Server standby = dev::Server::start();
    const Database database = fresh_database(standby);
    Client(database.uri).run("CREATE TABLE orders (id int)");
    // A throwaway server writes the least WAL it can, which no standby takes: it needs a start from which on it writes more.
    standby.stop_fast();
    standby.start_again({{"wal_level", "replica"}});
    standby.stop_fast();
    std::ofstream(std::filesystem::path(standby.log_file()).parent_path() / "data" / "standby.signal").close();
    standby.start_again({{"hot_standby", "on"}});
    EXPECT_THAT(refused({"init", database.uri}, source_rejected), AllOf(HasSubstr("standby"), HasSubstr("hint: ")));
}

// --- uninstall ----------------------------------------------------------------------------------------------------------

TEST(Uninstall, LeavesTheSourceAsItWasAndTheLakeReadable) {
    Pipeline pipeline(CatalogKind::duckdb);
    pipeline.application.run(
        "CREATE TABLE plain (id int PRIMARY KEY, secret text); CREATE TABLE keyless (v text);"
        "CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM "
        "(0) TO (10);"
        "CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER own AFTER INSERT ON plain EXECUTE FUNCTION own()");
    const std::string known_roles = roles();
    const std::string source = catalogs(pipeline.source.uri);
    pipeline.must({"init", pipeline.source.uri},
                  {{"EIDER_TABLE_RULES", "[{match = \"public.plain\", hash = [\"secret\"]}]"}});
    EXPECT_NE(catalogs(pipeline.source.uri), source);
    pipeline.application.run("INSERT INTO plain VALUES (1, 'x'); INSERT INTO parted VALUES (1); DROP TABLE keyless");
    pipeline.application.run("CREATE TABLE keyless (v text)");
    pipeline.must({"sync"});
    pipeline.must({"uninstall", "--yes"});
    EXPECT_EQ(catalogs(pipeline.source.uri), source);
    EXPECT_EQ(roles(), known_roles);
    EXPECT_EQ(pipeline.lake_number("SELECT count(*) FROM cdc"), 2);
    EXPECT_EQ(pipeline.must({"uninstall", "--yes"}), "nothing is installed\n");
}

}  // namespace
}  // namespace eider::test
