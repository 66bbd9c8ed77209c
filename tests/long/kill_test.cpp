// eider is killed fifty times, at any moment, under a load that nobody here wrote: pgbench. The lake then holds what was
// committed: played back, its log gives pgbench's tables, byte for byte.
#include <csignal>
#include <random>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pipeline.h"
#include "support/wait.h"
#include "support/workload.h"

namespace eider::test {
namespace {

constexpr int kills = 50;
constexpr int killed = 137;

void pgbench(const Pipeline& pipeline, std::vector<std::string> args) {
    args.insert(args.begin(), "pgbench");
    args.push_back(pipeline.source.uri);
    const Finished finished = run(args);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
}

struct Content {
    std::string rows;
    std::string digest;  // of all rows, as row_to_json writes them
    bool operator==(const Content&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const Content& c) {
        return out << c.rows << " rows, " << c.digest;
    }
};

Content in_source(Client& client, const std::string& table) {
    const auto row =
        client.run(fmt::format("SELECT count(*), md5(string_agg(r, '' ORDER BY r COLLATE \"C\")) FROM (SELECT "
                               "row_to_json(t)::text AS r FROM {} AS t) AS t",
                               table))[0];
    return {*row[0], row[1].value_or("")};
}

// `key` is empty for a table that only grows.
Content in_lake(const Pipeline& pipeline, const std::string& table, const std::string& key) {
    const std::string last =
        key.empty()
            ? ""
            : fmt::format("QUALIFY row_number() OVER (PARTITION BY data->>'{}' ORDER BY batch DESC, seq DESC) = 1",
                          key);
    const auto row = pipeline
                         .peek(fmt::format("SELECT count(*), md5(string_agg(data::VARCHAR, '' ORDER BY data::VARCHAR)) "
                                           "FROM (SELECT cdc_op, data FROM cdc "
                                           "WHERE table_name = '{0}' AND seq > coalesce((SELECT max(seq) FROM cdc "
                                           "WHERE table_name = '{0}' AND cdc_op = 'T'), 0) {1}) "
                                           "WHERE cdc_op <> 'D'",
                                           table, last))
                         .at(0);
    return {row.at(0), row.at(1)};
}

class Killed : public testing::TestWithParam<CatalogKind> {};

INSTANTIATE_TEST_SUITE_P(On, Killed, testing::Values(CatalogKind::source, CatalogKind::duckdb, CatalogKind::sqlite),
                         [](const auto& test) { return name_of(test.param); });

TEST_P(Killed, FiftyTimesUnderPgbenchTheLakeHoldsWhatWasCommitted) {
    Pipeline pipeline(GetParam());
    pipeline.environment["EIDER_TABLES"] = "public.pgbench_*";
    pipeline.environment["EIDER_ROTATE_MIN_ROWS"] = "500";
    pgbench(pipeline, {"-q", "-i", "-I", "dtp"});
    pipeline.init();
    pgbench(pipeline, {"-q", "-i", "-I", "g"});  // also captured: 100,000 accounts
    pipeline.must({"sync", "--until-empty"});

    Process load({"pgbench", "-n", "-c", "4", "-T", "100000", "--rate", "300", pipeline.source.uri});
    std::mt19937 random(static_cast<unsigned>(GetParam()));
    int while_running = 0;
    for (int i = 0; i < kills; ++i) {
        // The moment is what is drawn here: between the start of the process and its fifth batch or so.
        const std::chrono::milliseconds moment(std::uniform_int_distribution(20, 700)(random));
        Process sync = pipeline.start({"sync", "--every", "1ms"});
        EXPECT_FALSE(wait_until([&] { return !sync.is_running(); }, moment)) << sync.err();
        while_running += sync.out().empty() ? 0 : 1;
        sync.signal(SIGKILL);
        EXPECT_EQ(sync.wait().exit_code, killed);
    }
    EXPECT_TRUE(load.is_running()) << load.err();
    load.signal(SIGINT);
    load.wait();
    EXPECT_GT(while_running, 0) << "no process came so far as to move a batch";

    // The server may still be at work for a client that is gone.
    EXPECT_TRUE(wait_until([&] {
        return pipeline.application.number(
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND datname = "
                   "current_database()") == 0;
    }));
    pipeline.must({"sync", "--until-empty"});
    for (const auto& [table, key] :
         {std::pair{"accounts", "aid"}, {"tellers", "tid"}, {"branches", "bid"}, {"history", ""}}) {
        const std::string name = std::string("pgbench_") + table;
        EXPECT_EQ(in_lake(pipeline, name, key), in_source(pipeline.application, name)) << name;
    }
    // Each event once: also those that a later version hides in what was compared above.
    const std::string transactions = pipeline.application.value("SELECT count(*) FROM pgbench_history");
    EXPECT_THAT(
        pipeline.peek(
            "SELECT table_name, count(*), count(DISTINCT seq) FROM cdc WHERE cdc_op = 'U' GROUP BY ALL ORDER BY ALL"),
        testing::ElementsAre(Pipeline::Row{"pgbench_accounts", transactions, transactions},
                             Pipeline::Row{"pgbench_branches", transactions, transactions},
                             Pipeline::Row{"pgbench_tellers", transactions, transactions}));
    RecordProperty("transactions", transactions);
    RecordProperty("batches", pipeline.peek("SELECT max(batch) FROM eider.log").at(0).at(0));
    RecordProperty("killed_after_a_batch", while_running);
    fmt::print("{} transactions, {} batches, {} of {} processes killed after a batch\n", transactions,
               pipeline.peek("SELECT max(batch) FROM eider.log").at(0).at(0), while_running, kills);
}

}  // namespace
}  // namespace eider::test
