// What needs no server; the rest is tests/dev_test.cpp.
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "dev/binaries.h"
#include "dev/cluster.h"
#include "dev/launch.h"
#include "dev/process.h"
#include "dev/run.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(Binaries, TheNewestVersionIsTheGreatestNumberNotTheLastName) {
    EXPECT_EQ(newest_version({"9.6", "15", "14", "junk", "9.6.1x"}), "15");
    EXPECT_EQ(newest_version({"9.5", "9.6"}), "9.6");
    EXPECT_EQ(newest_version({}), "");
}

TEST(Binaries, OfAFolderWithoutAServerAreRefusedWithAHint) {
    try {
        find_binaries("/nonexistent");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::config);
        EXPECT_THAT(error.hint(), HasSubstr("EIDER_PG_BIN"));
    }
}

TEST(Processes, TellTheirOutputAndExitCode) {
    const Output output = run_program({"sh", "-c", "echo one; echo two >&2; exit 3"});
    EXPECT_EQ(output.exit_code, 3);
    EXPECT_EQ(output.text, "one\ntwo\n");
    EXPECT_EQ(run_program({"sh", "-c", "kill -9 $$"}).exit_code, 137);
    EXPECT_EQ(run_program({"/nonexistent/program"}).exit_code, 127);
}

TEST(Processes, InheritNoDescriptorsButTheFirstThree) {
    const int open = ::fcntl(0, F_DUPFD, 20);
    // The fourth is the folder that ls reads.
    EXPECT_EQ(run_program({"ls", "/proc/self/fd"}).text, "0\n1\n2\n3\n");
    ::close(open);
}

TEST(Processes, AreKnownByTheirStartTimeUntilTheyEnd) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::pause();
        ::_exit(0);
    }
    EXPECT_TRUE(is_alive(pid));
    EXPECT_GT(start_time(pid), 0U);
    EXPECT_THAT(descendants(::getpid()), Contains(pid));
    ::kill(pid, SIGKILL);
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    EXPECT_FALSE(is_alive(pid)) << "a zombie is not alive";
    ::waitpid(pid, nullptr, 0);
    EXPECT_EQ(start_time(pid), 0U);
}

TEST(Launch, SettingsOfTheCallerGoBeforeThoseOfEider) {
    const Binaries binaries{"/bin", "postgres"};
    const auto plain = server_command(binaries, "/data", "/sock", 1234, {});
    EXPECT_THAT(plain, Contains("fsync=off"));
    EXPECT_THAT(plain, Contains("port=1234"));
    EXPECT_THAT(plain, Contains("max_wal_senders=0"));
    const auto logical = server_command(binaries, "/data", "/sock", 1234, {{"wal_level", "logical"}, {"fsync", "on"}});
    EXPECT_THAT(logical, Contains("fsync=on"));
    EXPECT_THAT(logical, Not(Contains("fsync=off")));
    EXPECT_THAT(logical, Contains("max_wal_senders=10"));
}

TEST(Launch, ReadsWhatAServerWroteDown) {
    const fs::path folder = make_temporary_folder({});
    EXPECT_EQ(read_pid_file(folder).pid, 0);
    std::ofstream(folder / "postmaster.pid") << "42\n/data\n1700000000\n5433\n/sock\n127.0.0.1\n 1 2\nstarting\n";
    EXPECT_EQ(read_pid_file(folder).pid, 42);
    EXPECT_EQ(read_pid_file(folder).port, 5433);
    EXPECT_FALSE(read_pid_file(folder).ready);
    std::ofstream(folder / "postmaster.pid") << "42\n/data\n1700000000\n5433\n/sock\n127.0.0.1\n 1 2\nready   \n";
    EXPECT_TRUE(read_pid_file(folder).ready);
    fs::remove_all(folder);
}

TEST(Launch, PortsAreFreeOnes) {
    const int port = free_port();
    EXPECT_GT(port, 1023);
    EXPECT_LT(port, 65536);
}

TEST(Cluster, TemporaryFoldersLeaveRoomForASocket) {
    const fs::path folder = make_temporary_folder({});
    EXPECT_LT((folder / ".s.PGSQL.65535.lock").native().size(), 100U);
    EXPECT_EQ(fs::status(folder).permissions(), fs::perms::owner_all);
    fs::remove_all(folder);
}

TEST(Cluster, IsCachedPerVersion) {
    EXPECT_NE(cached_cluster({"/bin", "14"}, {}), cached_cluster({"/bin", "15"}, {}));
    EXPECT_EQ(cached_cluster({"/bin", "15"}, {}), cached_cluster({"/bin", "15"}, {}));
}

TEST(Address, SuitsAnyDatabaseName) {
    const Address address{"/tmp/x'y", 5432, "pw"};
    EXPECT_EQ(address.uri("a b/ü"), "postgresql://postgres:pw@127.0.0.1:5432/a%20b%2F%C3%BC");
    EXPECT_EQ(address.socket_string("it's"), "host='/tmp/x\\'y' port=5432 user=postgres dbname='it\\'s'");
}

TEST(Variables, LeadAwayFromEveryOtherDatabase) {
    const auto all = variables({"/tmp", 1, "pw"}, "/lake");
    EXPECT_EQ(all.at("DATABASE_URL"), all.at("EIDER_SOURCE"));
    EXPECT_EQ(all.at("EIDER_CATALOG"), "source");
    EXPECT_EQ(all.at("EIDER_DATA_PATH"), "/lake");
}

}  // namespace
}  // namespace eider::dev
