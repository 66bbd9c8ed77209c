// The password of a connection string shows nowhere but where the user put it: not in what eider says, whatever goes
// wrong; not in what it leaves on disk or in a database; not in the command lines of processes.
//
// What is true and not tested away: `eider init URI` writes the URI to eider.toml, with its password, for the file's
// owner only; and a URI given as an argument stands in that process's command line for as long as it runs.
#include <algorithm>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pipeline.h"
#include "support/wait.h"
#include "support/workload.h"

namespace eider::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// The word to look for stands among characters that some layer may quote, escape or split at.
constexpr const char* word = "Geheim7319wort";
constexpr const char* in_uri = "a%40b%2FGeheim7319wort%27c%5Cd%20e";
constexpr const char* in_keywords = "'a@b/Geheim7319wort\\'c\\\\d e'";

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The command lines of all processes of this machine.
std::string command_lines() {
    std::string all;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        if (std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0])) == 0) continue;
        std::string line = contents(entry.path() / "cmdline");
        std::replace(line.begin(), line.end(), '\0', ' ');
        all += line + "\n";
    }
    return all;
}

class Secrets : public testing::TestWithParam<CatalogKind> {
protected:
    static void SetUpTestSuite() {
        static bool is_made = false;  // on the server that both suites share
        if (std::exchange(is_made, true)) return;
        Client(shared_server().connection_string())
            .run(fmt::format("CREATE ROLE keeper SUPERUSER LOGIN PASSWORD '{}'", "a@b/Geheim7319wort''c\\d e"));
    }

    Secrets() : pipeline_(GetParam()) { pipeline_.application.run("CREATE TABLE orders (id int PRIMARY KEY)"); }

    static std::string uri(const std::string& database, int port = shared_server().port()) {
        return fmt::format("postgresql://keeper:{}@127.0.0.1:{}/{}", in_uri, port, database);
    }
    std::string uri() const { return uri(pipeline_.source.name); }
    std::string keywords() const {
        return fmt::format("host=127.0.0.1 port={} dbname={} user=keeper password={}", shared_server().port(),
                           pipeline_.source.name, in_keywords);
    }

    // Runs it; keeps all that it says.
    int eider(const std::vector<std::string>& args, const Variables& more = {}) {
        const Finished finished = pipeline_.eider(args, more);
        EXPECT_THAT(finished.out + finished.err, Not(HasSubstr(word))) << "eider " << args.at(0);
        said_ += finished.out + finished.err;
        return finished.exit_code;
    }

    Pipeline pipeline_;
    std::string said_;
};

// The kind of the catalog makes no difference here.
class SecretsElsewhere : public Secrets {};

INSTANTIATE_TEST_SUITE_P(On, SecretsElsewhere, testing::Values(CatalogKind::source),
                         [](const auto& test) { return name_of(test.param); });

INSTANTIATE_TEST_SUITE_P(On, Secrets, testing::Values(CatalogKind::source, CatalogKind::duckdb, CatalogKind::sqlite),
                         [](const auto& test) { return name_of(test.param); });

TEST_P(Secrets, ShowInNothingThatACommandSays) {
    ASSERT_EQ(eider({"init", uri(), "-v", "-v"}), 0) << said_;
    pipeline_.application.run("INSERT INTO orders VALUES (1)");
    ASSERT_EQ(eider({"sync", "-v", "-v"}), 0) << said_;
    EXPECT_THAT(said_, HasSubstr("batch 1"));  // so it did connect with that password
    for (const char* command : {"attach", "status", "doctor", "version", "sync"}) {
        EXPECT_EQ(eider({command}), 0) << command;
        eider({command, "--json"});
    }
    EXPECT_EQ(eider({"init", "--json"}), 0);
    EXPECT_EQ(eider({"sql", "install"}), 0);
    EXPECT_EQ(eider({"query", "FROM eider.log"}), 0);
    // DuckDB itself tells what it was told to attach.
    EXPECT_EQ(eider({"query", "SELECT * FROM duckdb_databases()"}), 0);
    EXPECT_EQ(eider({"query", "--csv", "SELECT * FROM duckdb_databases()"}), 0);
    EXPECT_EQ(eider({"query", "--json", "SELECT * FROM duckdb_databases()"}), 0);
    EXPECT_EQ(eider({"query", "SELECT * FROM duckdb_settings()"}), 0);
    EXPECT_EQ(eider({"sync"}, {{"EIDER_SOURCE", keywords()}}), 0);
    EXPECT_EQ(eider({"query", "SELECT * FROM duckdb_databases()"}, {{"EIDER_SOURCE", keywords()}}), 0);
    EXPECT_EQ(eider({"attach"}, {{"EIDER_SOURCE", keywords()}}), 0);
    EXPECT_EQ(eider({"uninstall", "--yes"}), 0);
}

TEST_P(SecretsElsewhere, ShowInNoError) {
    ASSERT_EQ(eider({"init", uri()}), 0) << said_;
    const auto fails = [&](const std::vector<std::string>& args, const Variables& more = {}) {
        EXPECT_NE(eider(args, more), 0) << args.at(0) << "\n" << said_;
        EXPECT_NE(eider(
                      [&] {
                          auto with_json = args;
                          with_json.emplace_back("--json");
                          return with_json;
                      }(),
                      more),
                  0);
    };
    fails({"sync"}, {{"EIDER_SOURCE", uri("nowhere")}});
    fails({"sync"}, {{"EIDER_SOURCE", uri("postgres", 1)}});
    fails({"sync"}, {{"EIDER_SOURCE", uri() + "?sslmode=nonsense"}});
    fails({"sync"}, {{"EIDER_SOURCE", uri() + "?no_such_option=1"}});
    fails({"sync"}, {{"EIDER_SOURCE", uri() + "%ZZ"}});
    fails({"sync"}, {{"EIDER_SOURCE", keywords() + " nonsense"}});
    fails({"sync"}, {{"EIDER_SOURCE", keywords() + " port=1"}});
    fails({"sync", "--catalog", uri("nowhere")});
    fails({"sync", "--catalog", uri("postgres", 1)});
    fails({"query", "FROM cdc", "--catalog", uri("nowhere")});
    fails({"query", "nonsense"});
    fails({"query", "SELECT error('x') FROM duckdb_databases()"});
    fails({"init", uri("nowhere")});
    fails({"init", uri(), uri()});  // one argument too many
    fails({"sync", uri()});
    fails({"sync", "--no-such-flag", uri()});
    // Another role's password, and this one for nobody.
    fails({"sync"}, {{"EIDER_SOURCE",
                      fmt::format("postgresql://postgres:{}@127.0.0.1:{}/postgres", in_uri, shared_server().port())}});
    fails({"sync"}, {{"EIDER_SOURCE", fmt::format("postgresql://nobody_here:{}@127.0.0.1:{}/postgres", in_uri,
                                                  shared_server().port())}});
    // Files that cannot be read as they are meant.
    const std::string file = pipeline_.folder / "broken.toml";
    for (const std::string& text :
         {"source = \"" + uri() + "\nlake = 1", "source = " + uri(), "sorce = \"" + uri() + "\"",
          "source = [\"" + uri() + "\"]", "[source]\nuri = \"" + uri() + "\"",
          "source = \"" + uri() + "\"\nsource = \"" + uri() + "\""}) {
        std::ofstream(file) << text << "\n";
        fails({"--config", file, "sync"});
    }
    EXPECT_THAT(said_, HasSubstr("***"));
}

TEST_P(SecretsElsewhere, ShowInNoErrorOfAConnectionThatBreaks) {
    ASSERT_EQ(eider({"init", uri()}), 0) << said_;
    pipeline_.application.run("INSERT INTO orders VALUES (1)");
    Process sync = pipeline_.start({"sync", "--every", "10ms", "-v", "-v"});
    EXPECT_TRUE(wait_until([&] { return sync.out().find("batch 1") != std::string::npos; })) << sync.err();
    Client server(shared_server().connection_string());
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keeper'");
    EXPECT_TRUE(wait_until([&] { return sync.err().find("trying again") != std::string::npos; })) << sync.err();
    sync.signal(SIGTERM);
    const Finished finished = sync.wait();
    EXPECT_THAT(finished.out + finished.err, Not(HasSubstr(word)));
}

TEST_P(SecretsElsewhere, AreInNoCommandLineAndInNothingThatTheServerTells) {
    ASSERT_EQ(eider({"init", uri()}), 0) << said_;
    Client server(shared_server().connection_string());
    for (const auto& variables : {Variables{}, Variables{{"EIDER_SOURCE", uri()}}}) {
        Process sync = pipeline_.start({"sync", "--every", "10ms"}, variables);
        EXPECT_TRUE(wait_until(
            [&] { return server.number("SELECT count(*) FROM pg_stat_activity WHERE usename = 'keeper'") > 0; }));
        EXPECT_THAT(command_lines(), AllOf(HasSubstr("eider sync"), Not(HasSubstr(word))));
        EXPECT_EQ(server.number(fmt::format("SELECT count(*) FROM pg_stat_activity AS a WHERE a::text LIKE '%{}%' AND "
                                            "pid <> pg_backend_pid()",
                                            word)),
                  0);
        sync.signal(SIGTERM);
        EXPECT_EQ(sync.wait().exit_code, 0);
    }
    EXPECT_THAT(contents(shared_server().log_file()), Not(HasSubstr(word)));
}

TEST_P(Secrets, AreInNothingThatStaysButTheFileThatTheUserAskedFor) {
    ASSERT_EQ(eider({"init", uri()}), 0) << said_;
    pipeline_.application.run("INSERT INTO orders SELECT generate_series(1, 20000)");  // enough for a data file
    ASSERT_EQ(eider({"sync"}), 0);
    int files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(pipeline_.folder.path())) {
        if (!entry.is_regular_file()) continue;
        ++files;
        if (entry.path().filename() == "eider.toml") {
            EXPECT_THAT(contents(entry.path()), HasSubstr(in_uri));
            EXPECT_EQ(entry.status().permissions(), fs::perms::owner_read | fs::perms::owner_write);
        } else {
            EXPECT_THAT(contents(entry.path()), Not(HasSubstr(word))) << entry.path();
        }
    }
    EXPECT_GE(files, 2);
    // Everything in the database: schema audit, the catalog, functions.
    const Finished dump = run({"pg_dump", pipeline_.source.uri});
    EXPECT_EQ(dump.exit_code, 0);
    EXPECT_THAT(dump.out, AllOf(HasSubstr("audit.installation"), Not(HasSubstr(word))));
}

TEST_P(SecretsElsewhere, AreNotWrittenToAFileWhenTheyComeFromTheEnvironment) {
    ASSERT_EQ(eider({"init"}, {{"EIDER_SOURCE", uri()}}), 0) << said_;
    for (const auto& entry : fs::recursive_directory_iterator(pipeline_.folder.path())) {
        if (!entry.is_regular_file()) continue;
        EXPECT_THAT(contents(entry.path()), Not(HasSubstr(word))) << entry.path();
    }
}

}  // namespace
}  // namespace eider::test
