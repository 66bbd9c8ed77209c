// Two eiders on one lake: the lock keeps honest ones apart, the fence those that lost it without knowing.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pipeline.h"
#include "support/wait.h"
#include "support/workload.h"

namespace eider::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr int is_running = 25;
constexpr int conflict = 22;
constexpr int fenced = 24;

// An eider that stands still at a crash point until it is told to go on.
class Halted {
public:
    Halted(const Pipeline& pipeline, const std::vector<std::string>& args, const std::string& point,
           Variables more = {})
        : process_(start(pipeline, args, point, std::move(more))) {
        EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(folder_ / "reached"); }))
            << point << " was not reached:\n"
            << process_.out() << process_.err();
    }

    Process& process() { return process_; }
    void go_on() { std::ofstream(folder_ / "go").close(); }

private:
    Process start(const Pipeline& pipeline, const std::vector<std::string>& args, const std::string& point,
                  Variables more) {
        more["EIDER_PAUSE_AT"] = point;
        more["EIDER_PAUSE_IN"] = folder_.path();
        return pipeline.start(args, more);
    }

    TempFolder folder_;
    Process process_;
};

Variables only_items() {
    return {{"EIDER_TABLES", "shop.item"}};
}

// Cuts what eiders have to the source: the one that holds the lock, and with it the lock.
void cut_from_source(const Pipeline& pipeline) {
    Client client(pipeline.source.uri);
    client.run(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())");
    EXPECT_TRUE(wait_until([&] {
        return client.number(
                   "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
                   "(SELECT oid FROM pg_database WHERE datname = current_database())") == 0;
    }));
}

class TwoWriters : public testing::TestWithParam<CatalogKind> {
protected:
    TwoWriters() : pipeline_(GetParam()) {
        pipeline_.environment = merged(pipeline_.environment);
        Workload::create_tables(pipeline_.application);
        pipeline_.init();
        Workload(pipeline_.source, 2).wait_for(10);
    }

    static Variables merged(Variables variables) {
        variables.merge(only_items());
        return variables;
    }

    Pipeline pipeline_;
};

INSTANTIATE_TEST_SUITE_P(On, TwoWriters, testing::Values(CatalogKind::source, CatalogKind::duckdb, CatalogKind::sqlite),
                         [](const auto& test) { return name_of(test.param); });

TEST_P(TwoWriters, TheSecondIsToldThatOneIsRunning) {
    Halted first(pipeline_, {"sync"}, "batch.before_events");
    const Finished second = pipeline_.eider({"sync"});
    EXPECT_EQ(second.exit_code, is_running) << second.err;
    EXPECT_THAT(second.err, HasSubstr("hint: "));
    first.go_on();
    EXPECT_EQ(first.process().wait().exit_code, 0);
    pipeline_.must({"sync"});
    EXPECT_EQ(differences(pipeline_), "");
}

TEST_P(TwoWriters, AProcessThatIsStoppedStillHoldsItsLake) {
    Halted first(pipeline_, {"sync"}, "batch.before_events");
    first.process().signal(SIGSTOP);
    first.go_on();
    EXPECT_EQ(pipeline_.eider({"sync"}).exit_code, is_running);
    first.process().signal(SIGCONT);
    EXPECT_EQ(first.process().wait().exit_code, 0);
    pipeline_.must({"sync"});
    EXPECT_EQ(differences(pipeline_), "");
}

TEST_P(TwoWriters, ALoopWaitsForTheOtherToEnd) {
    Halted first(pipeline_, {"sync"}, "batch.before_events");
    Process loop = pipeline_.start({"sync", "--every", "10ms", "--json"});
    EXPECT_TRUE(wait_until([&] { return loop.err().find("trying again") != std::string::npos; })) << loop.err();
    first.go_on();
    EXPECT_EQ(first.process().wait().exit_code, 0);
    Workload(pipeline_.source, 1, 2).wait_for(3);
    EXPECT_TRUE(wait_until([&] { return loop.out().find("\"batch\":2") != std::string::npos; }))
        << loop.out() << loop.err();
    loop.signal(SIGTERM);
    EXPECT_EQ(loop.wait().exit_code, 0);
    pipeline_.must({"sync"});
    EXPECT_EQ(differences(pipeline_), "");
}

// --- one that was cut off from the source, and does not know ----------------------------------------------------------

class Takeover : public OnLakesUnderLoad<std::tuple<CatalogKind, std::string>> {};

TEST_P(Takeover, WhileTheFormerHolderStandsStillLeavesEachChangeOnce) {
    const auto& [catalog, point] = GetParam();
    LakeUnderLoad& lake = OnLakesUnderLoad::lake(catalog);
    const Pipeline& pipeline = lake.pipeline;
    Workload& workload = *lake.workload;
    workload.wait_for(5);
    if (point.starts_with("takeover")) {
        ASSERT_EQ(pipeline.eider({"sync"}, {{"EIDER_CRASH_AT", "batch.before_commit"}}).exit_code, 137);
    }
    Halted first(pipeline, {"sync", "--every", "10ms"}, point);
    cut_from_source(pipeline);
    workload.wait_for(5);

    // A SQLite catalog may be locked by the transaction that stands still; a PostgreSQL one never is.
    const Finished second = pipeline.eider({"sync"});
    if (catalog == CatalogKind::sqlite) EXPECT_THAT(second.exit_code, AnyOf(0, conflict, is_running)) << second.err;
    else EXPECT_EQ(second.exit_code, 0) << second.err;

    first.go_on();
    workload.wait_for(5);
    pipeline.eider({"sync"});  // may find the first one back at work
    first.process().signal(SIGTERM);
    const Finished ended = first.process().wait();
    EXPECT_THAT(ended.exit_code, AnyOf(0, fenced)) << ended.out << ended.err;
    EXPECT_EQ(lake.differences_at_rest(), "");
    EXPECT_EQ(pipeline.peek("SELECT count(*) FROM eider.log WHERE kind = 'epoch'").at(0).at(0), "1");
}

std::string name_of_takeover(const testing::TestParamInfo<std::tuple<CatalogKind, std::string>>& test) {
    std::string name = name_of(std::get<0>(test.param)) + "_" + std::get<1>(test.param);
    name[name.find('.')] = '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(
    At, Takeover,
    testing::Combine(testing::Values(CatalogKind::source),
                     testing::Values("batch.snapshot_taken", "batch.before_events", "batch.after_events",
                                     "batch.before_commit", "batch.after_commit", "batch.before_confirm",
                                     "batch.confirmed", "takeover.begin", "takeover.before_commit",
                                     "takeover.after_commit", "takeover.before_claim", "takeover.claimed")),
    name_of_takeover);

// Fewer: where a transaction stands still the other one waits for SQLite's lock, five seconds each time.
INSTANTIATE_TEST_SUITE_P(AtSome, Takeover,
                         testing::Combine(testing::Values(CatalogKind::sqlite),
                                          testing::Values("batch.snapshot_taken", "batch.before_commit",
                                                          "batch.after_commit", "batch.before_confirm",
                                                          "takeover.begin", "takeover.after_commit",
                                                          "takeover.before_claim")),
                         name_of_takeover);

// A laptop that sleeps, a machine that is moved, a debugger: the process knows nothing of the time between.
TEST_P(TwoWriters, AProcessThatIsStoppedWhileItLosesItsSessionMovesNothingTwiceWhenItGoesOn) {
    Halted first(pipeline_, {"sync"}, "batch.before_commit");
    first.process().signal(SIGSTOP);
    first.go_on();
    cut_from_source(pipeline_);
    Workload(pipeline_.source, 2, 2).wait_for(5);
    const Finished second = pipeline_.eider({"sync"});
    // Only a PostgreSQL catalog lets a second one in while the first has a transaction open, or the file.
    if (GetParam() == CatalogKind::source) EXPECT_EQ(second.exit_code, 0) << second.err;
    else EXPECT_THAT(second.exit_code, AnyOf(conflict, is_running)) << second.err;
    first.process().signal(SIGCONT);
    const Finished ended = first.process().wait();
    EXPECT_NE(ended.exit_code, 0) << ended.out;
    EXPECT_THAT(ended.err, HasSubstr("hint: "));
    pipeline_.must({"sync", "--until-empty"});
    EXPECT_EQ(differences(pipeline_), "");
}

TEST(TakeoverOfOneRun, EndsTheFormerHolderWithAnErrorAndNothingTwice) {
    Pipeline pipeline;
    pipeline.environment.merge(only_items());
    Workload::create_tables(pipeline.application);
    pipeline.init();
    Workload(pipeline.source, 2).wait_for(10);
    Halted first(pipeline, {"sync"}, "batch.before_commit");
    cut_from_source(pipeline);
    pipeline.must({"sync"});
    first.go_on();
    const Finished ended = first.process().wait();
    EXPECT_THAT(ended.exit_code, AnyOf(conflict, fenced)) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("hint: "));
    EXPECT_EQ(differences(pipeline), "");
}

}  // namespace
}  // namespace eider::test
