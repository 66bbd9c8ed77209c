// A PostgreSQL of one's own: real servers, through the library and through `eider dev`.
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "base/error.h"
#include "dev/process.h"
#include "dev/server.h"
#include "support/process.h"
#include "support/server.h"
#include "support/temp_folder.h"
#include "support/wait.h"

namespace eider::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

bool is_there(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

// A cache and a folder for temporary files of the test's own, so that what is left can be seen.
class Dev : public testing::Test {
protected:
    Variables environment() const {
        return {{"XDG_CACHE_HOME", cache_.path().string()}, {"TMPDIR", temporary_.path().string()}};
    }

    void SetUp() override {
        fs::permissions(temporary_.path(), fs::perms::all);  // the server's user must enter it
    }

    std::vector<std::string> left_over() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(temporary_.path()))
            names.push_back(entry.path().filename().string());
        return names;
    }

    Finished eider(const std::vector<std::string>& args) const {
        return run_eider(args, environment(), project_.path());
    }

    nlohmann::json status() const { return nlohmann::json::parse(eider({"dev", "status", "--json"}).out); }

    TempFolder cache_;
    TempFolder temporary_;
    TempFolder project_;
};

// The shared server pays for initdb where no cache is warm.
// initdb gives each cluster an identifier of its own. The start itself is timed in the benchmark.
TEST(DevServer, CopiesTheClusterOfAnEarlierStartInsteadOfMakingOne) {
    const std::string identifier = "SELECT system_identifier FROM pg_control_system()";
    const std::string earlier = Client(shared_server().connection_string()).value(identifier);
    const dev::Server server = dev::Server::start();
    EXPECT_EQ(Client(server.connection_string()).value(identifier), earlier);
}

TEST(DevServer, KeepsWhatItAcknowledgedWhenItIsKilled) {
    dev::Server server = dev::Server::start();
    Client(server.connection_string()).run("CREATE TABLE t AS SELECT 42 AS x");
    for (const auto& end : {&dev::Server::kill, &dev::Server::stop_immediate, &dev::Server::stop_fast}) {
        (server.*end)();
        EXPECT_FALSE(server.is_running());
        EXPECT_EQ(server.pid(), 0);
        server.start_again();
        EXPECT_EQ(Client(server.connection_string()).value("SELECT x FROM t"), "42");
    }
    server.stop_fast();
    server.start_again({{"wal_level", "logical"}});
    EXPECT_EQ(Client(server.connection_string()).value("SHOW wal_level"), "logical");
}

TEST(DevServer, LetsInOnlyWhoMayEnterItsFolderOrKnowsItsPassword) {
    dev::Server& server = shared_server();
    EXPECT_EQ(fs::status(server.socket_folder()).permissions(), fs::perms::owner_all);
    EXPECT_EQ(Client(server.address().socket_string()).value("SELECT 1"), "1");
    dev::Address stranger = server.address();
    stranger.password = "guess";
    EXPECT_THROW(Client(stranger.uri()), std::runtime_error);
    EXPECT_EQ(Client(server.connection_string()).value("SHOW listen_addresses"), "127.0.0.1");
}

TEST(DevServer, LeavesNothingBehind) {
    fs::path folder;
    pid_t pid = 0;
    {
        const dev::Server server = dev::Server::start();
        folder = server.socket_folder();
        pid = server.pid();
        EXPECT_TRUE(is_there(folder));
    }
    EXPECT_FALSE(is_there(folder));
    EXPECT_FALSE(dev::is_alive(pid));
}

TEST(DevServer, SaysWhatPostgresSaysWhenItDoesNotStart) {
    try {
        dev::Server::start({.settings = {{"shared_buffers", "nonsense"}}});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::source_unavailable);
        EXPECT_THAT(error.what(), HasSubstr("shared_buffers"));
    }
}

TEST_F(Dev, TwoFirstStartsAtOnceDoEachOtherNoHarm) {
    const auto start = [&] {
        return start_eider({"dev", "run", "--", "sh", "-c", "psql -Atc 'SELECT 1' \"$DATABASE_URL\""}, environment());
    };
    Process first = start();
    Process second = start();
    for (Process* process : {&first, &second}) {
        const Finished finished = process->wait();
        EXPECT_EQ(finished.exit_code, 0) << finished.err;
        EXPECT_EQ(finished.out, "1\n");
    }
    EXPECT_THAT(left_over(), IsEmpty());
    const fs::path cached = cache_.path() / "eider" / "postgres";
    EXPECT_EQ(std::distance(fs::directory_iterator(cached), fs::directory_iterator()), 1)
        << "half-built folders are left";
}

TEST_F(Dev, ADamagedCacheIsReplaced) {
    ASSERT_EQ(eider({"dev", "run", "true"}).exit_code, 0);
    for (const auto& entry : fs::directory_iterator(cache_.path() / "eider" / "postgres"))
        fs::remove_all(entry.path() / "data" / "global");
    EXPECT_EQ(eider({"dev", "run", "true"}).exit_code, 0);
    EXPECT_EQ(eider({"dev", "run", "true"}).exit_code, 0);
}

TEST_F(Dev, RunGivesTheCommandADatabaseAndALake) {
    const std::string script =
        "psql -Atc 'SELECT current_user' \"$DATABASE_URL\"; "
        "test \"$DATABASE_URL\" = \"$EIDER_SOURCE\"; echo $? $EIDER_CATALOG $EIDER_DATA_PATH; pwd; cat";
    const Finished finished = eider({"dev", "run", "--", "sh", "-c", script});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.out, StartsWith("postgres\n0 source " + temporary_.path().string()));
    EXPECT_THAT(finished.out, HasSubstr(project_.path().string()));
}

TEST_F(Dev, RunReturnsTheExitCodeOfTheCommand) {
    EXPECT_EQ(eider({"dev", "run", "--", "sh", "-c", "exit 7"}).exit_code, 7);
    EXPECT_EQ(eider({"dev", "run", "--", "sh", "-c", "kill -9 $$"}).exit_code, 137);
    const Finished missing = eider({"dev", "run", "--", "no-such-program"});
    EXPECT_EQ(missing.exit_code, 127);
    EXPECT_THAT(missing.err, HasSubstr("no-such-program"));
    EXPECT_THAT(left_over(), IsEmpty());
}

TEST_F(Dev, RunPassesFlagsOfTheCommandOn) {
    EXPECT_EQ(eider({"dev", "run", "--", "sh", "-c", "echo \"$0 $@\"", "-x", "--json", "--", "version", "--help"}).out,
              "-x --json -- version --help\n");
}

TEST_F(Dev, RunTakesSettingsOfTheServer) {
    EXPECT_EQ(eider({"dev", "run", "--set", "wal_level=logical", "--set", "work_mem=5MB", "--", "sh", "-c",
                     "psql -Atc 'SHOW wal_level' -c 'SHOW work_mem' \"$DATABASE_URL\""})
                  .out,
              "logical\n5MB\n");
    EXPECT_EQ(eider({"dev", "run", "--set", "wal_level", "true"}).exit_code, 2);
}

// A command that starts others, one of which outlives it: `ready` appears when all of them run.
const char* const family = "sh -c 'trap \"\" HUP; sleep 600 & sleep 600 & echo $! > ready; wait'; true";

class DevSignals : public Dev, public testing::WithParamInterface<int> {};

TEST_P(DevSignals, RunLeavesNoProcessAndNoFolder) {
    Process process = start_eider({"dev", "run", "--", "sh", "-c", family}, environment(), project_.path());
    ASSERT_TRUE(wait_until([&] { return is_there(project_ / "ready"); }));
    const auto all = dev::descendants(process.pid());
    ASSERT_GT(all.size(), 5U) << "the keeper, the server, the command and what it started";
    process.signal(GetParam());
    process.wait();
    EXPECT_TRUE(wait_until([&] { return std::none_of(all.begin(), all.end(), dev::is_alive); }));
    EXPECT_TRUE(wait_until([&] { return left_over().empty(); }));
}

std::string signal_name(const testing::TestParamInfo<int>& info) {
    return ::sigabbrev_np(info.param);
}
INSTANTIATE_TEST_SUITE_P(Signals, DevSignals, testing::Values(SIGINT, SIGTERM, SIGHUP), signal_name);

TEST_F(Dev, RunThatIsKilledLeavesNoServerAndNoFolder) {
    Process process =
        start_eider({"dev", "run", "--", "sh", "-c", "echo $PPID > ready; sleep 600"}, environment(), project_.path());
    ASSERT_TRUE(wait_until([&] { return is_there(project_ / "ready"); }));
    const auto all = dev::descendants(process.pid());
    process.signal(SIGKILL);
    process.wait();
    EXPECT_TRUE(wait_until([&] { return left_over().empty(); }));
    EXPECT_TRUE(wait_until([&] {
        return std::none_of(all.begin(), all.end(), [](pid_t pid) {
            std::ifstream in("/proc/" + std::to_string(pid) + "/comm");
            std::string name;
            return std::getline(in, name) && name == "postgres" && dev::is_alive(pid);
        });
    }));
}

TEST_F(Dev, UpStaysUntilDown) {
    const Finished first = eider({"dev", "up"});
    ASSERT_EQ(first.exit_code, 0) << first.err;
    EXPECT_THAT(first.out, HasSubstr("export DATABASE_URL='postgresql://postgres:"));
    EXPECT_THAT(first.out, HasSubstr("export EIDER_DATA_PATH='"));
    const auto found = status();
    EXPECT_EQ(Client(found["connection_string"]).value("SELECT 1"), "1");

    const Finished second = eider({"dev", "up"});
    EXPECT_EQ(second.exit_code, 0);
    EXPECT_THAT(second.out, HasSubstr("already running"));
    EXPECT_EQ(status()["pid"], found["pid"]);

    const TempFolder other;
    EXPECT_EQ(run_eider({"dev", "status"}, environment(), other.path()).exit_code, 3) << "each folder has its own";
    EXPECT_THAT(run_eider({"dev", "down"}, environment(), other.path()).out, HasSubstr("no server"));

    EXPECT_THAT(eider({"dev", "down"}).out, HasSubstr("stopped"));
    EXPECT_FALSE(dev::is_alive(found["pid"].get<pid_t>()));
    EXPECT_EQ(eider({"dev", "status"}).exit_code, 3);
    EXPECT_THAT(left_over(), IsEmpty());
}

TEST_F(Dev, UpStartsAgainWhatWasKilled) {
    ASSERT_EQ(eider({"dev", "up"}).exit_code, 0);
    const auto before = status();
    ::kill(before["pid"].get<pid_t>(), SIGKILL);
    ASSERT_TRUE(wait_until([&] { return eider({"dev", "status"}).exit_code == 3; }));
    ASSERT_EQ(eider({"dev", "up"}).exit_code, 0);
    EXPECT_NE(status()["pid"], before["pid"]);
    EXPECT_EQ(eider({"dev", "down"}).exit_code, 0);
    EXPECT_THAT(left_over(), IsEmpty());
}

TEST_F(Dev, DownEndsOnlyWhatUpStarted) {
    ASSERT_EQ(eider({"dev", "up"}).exit_code, 0);
    const auto found = status();
    // As after a restart of the machine: the pid is another process's now.
    Process bystander({"sleep", "600"});
    fs::path state;
    for (const auto& entry : fs::directory_iterator(cache_.path() / "eider" / "dev")) {
        if (entry.path().extension() != ".lock") state = entry.path();
    }
    std::ifstream in(state);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::string pid = "pid " + std::to_string(found["pid"].get<pid_t>());
    text.replace(text.find(pid), pid.size(), "pid " + std::to_string(bystander.pid()));
    std::ofstream(state) << text;
    EXPECT_THAT(eider({"dev", "down"}).out, HasSubstr("no server"));
    EXPECT_TRUE(bystander.is_running());
    ::kill(found["pid"].get<pid_t>(), SIGQUIT);
    EXPECT_TRUE(wait_until([&] { return !dev::is_alive(found["pid"].get<pid_t>()); }));
}

TEST_F(Dev, KeepsThePasswordToItself) {
    ASSERT_EQ(eider({"dev", "up"}).exit_code, 0);
    for (const auto& entry : fs::recursive_directory_iterator(cache_.path() / "eider")) {
        const std::string name = entry.path().filename().string();
        if (name == "password" ||
            (entry.path().parent_path().filename() == "dev" && entry.path().extension() != ".lock")) {
            EXPECT_EQ(entry.status().permissions(), fs::perms::owner_read | fs::perms::owner_write) << entry.path();
        }
    }
    EXPECT_EQ(eider({"dev", "down"}).exit_code, 0);
}

TEST(TestSupport, GivesFreshDatabases) {
    const Database one = fresh_database();
    const Database two = fresh_database();
    EXPECT_NE(one.name, two.name);
    Client(one.uri).run("CREATE TABLE t (x int)");
    EXPECT_EQ(Client(two.uri).number("SELECT count(*) FROM pg_tables WHERE tablename = 't'"), 0);
}

TEST(TestSupport, ReadsAsAStrangerWould) {
    const Finished finished =
        python("import duckdb, sys; print(duckdb.sql('SELECT 41 + 1').fetchone()[0], sys.argv[1])", {"x"});
    EXPECT_EQ(finished.out, "42 x\n") << finished.err;
}

}  // namespace
}  // namespace eider::test
