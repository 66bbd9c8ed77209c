// Promise 1: no statement of the application waits for eider, however long a transaction stays open. Asked of the
// server itself: who waits for whom, over and over, while eider moves, rotates and releases as fast as it can.
#include <array>
#include <atomic>
#include <csignal>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pipeline.h"
#include "support/wait.h"

namespace eider::test {
namespace {

using testing::Ge;

constexpr int writers = 4;

std::string as_writer(const Database& database) {
    return database.uri + "?application_name=writer";
}

// An application: each thread changes rows of its own, so that no writer ever waits for another.
class Application {
public:
    explicit Application(const Database& database) {
        for (int i = 0; i < writers; ++i) {
            threads_.emplace_back(
                [this, i, uri = as_writer(database)](const std::stop_token& stop) { work(stop, uri, i); });
        }
    }

    // Returns when each writer has committed `transactions` more.
    bool each_commits(int transactions) {
        std::array<int, writers> until{};
        for (std::size_t i = 0; i < until.size(); ++i) until[i] = commits_[i] + transactions;
        return wait_until([&] {
            for (std::size_t i = 0; i < until.size(); ++i) {
                if (commits_[i] < until[i]) return false;
            }
            return true;
        });
    }

    void stop() { threads_.clear(); }

private:
    void work(const std::stop_token& stop, const std::string& uri, int number) {
        Client client(uri);
        for (int id = number; !stop.stop_requested(); id += writers) {
            client.run(fmt::format("INSERT INTO items VALUES ({}, 'new')", id));
            client.run(
                fmt::format("BEGIN; UPDATE items SET v = 'changed' WHERE id = {0}; DELETE FROM items WHERE id = {0} "
                            "AND id % 3 = 0; COMMIT",
                            id));
            commits_[static_cast<std::size_t>(number)] += 2;
        }
    }

    std::array<std::atomic<int>, writers> commits_{};
    std::vector<std::jthread> threads_;
};

// Looks at the server's locks until it is stopped, on a connection of its own.
class Watch {
public:
    explicit Watch(const Database& database)
        : thread_([this, uri = database.uri + "?application_name=watch"](const std::stop_token& stop) {
              look(stop, uri);
          }) {}

    void stop() {
        thread_.request_stop();
        thread_.join();
    }

    // To be read after stop.
    const std::set<std::string>& waits() const { return waits_; }

    std::atomic<int> looks = 0;
    std::atomic<int> rotations = 0;
    std::atomic<int> releases = 0;  // of any slot: a TRUNCATE gives it another file

private:
    void look(const std::stop_token& stop, const std::string& uri) {
        Client client(uri);
        std::string slot;
        std::string files;
        while (!stop.stop_requested()) {
            // Both ways: a writer behind somebody who holds or awaits a lock, and anybody else who waits for a table at
            // all: behind him the next writer would stand.
            for (const auto& row : client.run(
                     "SELECT format('%s waits for %s (%s)', w.application_name, h.application_name, h.query) FROM "
                     "pg_stat_activity AS w,"
                     " unnest(pg_blocking_pids(w.pid)) AS b (pid) JOIN pg_stat_activity AS h ON h.pid = b.pid"
                     " WHERE w.application_name = 'writer' AND h.application_name <> 'writer' "
                     "UNION ALL SELECT format('%s waits for %s on %s', a.application_name, l.mode, "
                     "l.relation::regclass) FROM pg_locks AS l"
                     " JOIN pg_stat_activity AS a USING (pid) WHERE NOT l.granted AND l.locktype = 'relation'")) {
                waits_.insert(row[0].value_or(""));
            }
            const auto now = client.run(
                "SELECT active_slot, (SELECT string_agg(relfilenode::text, ' ' ORDER BY relname) FROM pg_class WHERE "
                "relname ~ "
                "'^cdc_[123]$') FROM audit.installation");
            if (now[0][0] != slot) ++rotations;
            if (now[0][1] != files) ++releases;
            slot = now[0][0].value_or("");
            files = now[0][1].value_or("");
            ++looks;
        }
    }

    std::set<std::string> waits_;
    std::jthread thread_;
};

class WritersNeverWait : public testing::Test {
protected:
    WritersNeverWait() {
        pipeline_.environment["EIDER_TABLES"] = "public.items";
        pipeline_.environment["EIDER_ROTATE_MIN_ROWS"] = "1";
        pipeline_.application.run("CREATE TABLE items (id int PRIMARY KEY, v text)");
        pipeline_.init();
    }

    // The table, played back from the lake.
    std::vector<Pipeline::Row> replayed() const {
        return pipeline_.peek(
            "SELECT data->>'id', data->>'v' FROM (FROM cdc QUALIFY row_number() OVER (PARTITION BY data->>'id' ORDER "
            "BY batch DESC, seq DESC) = 1)"
            " WHERE cdc_op <> 'D' ORDER BY (data->>'id')::INT");
    }

    std::vector<Pipeline::Row> table() {
        std::vector<Pipeline::Row> rows;
        for (const auto& row : pipeline_.application.run("SELECT id, v FROM items ORDER BY id"))
            rows.push_back({*row[0], *row[1]});
        return rows;
    }

    Pipeline pipeline_;
};

TEST_F(WritersNeverWait, WhileEiderMovesRotatesAndReleasesBesideAnOpenTransaction) {
    Client slow(as_writer(pipeline_.source));
    slow.run("BEGIN; INSERT INTO items VALUES (-1, 'slow')");  // holds on to the table and to a slot
    Application application(pipeline_.source);
    Watch watch(pipeline_.source);
    Process sync = pipeline_.start({"sync", "--every", "1ms"});

    EXPECT_TRUE(wait_until([&] { return watch.rotations >= 12 && watch.releases >= 8; }, std::chrono::seconds(60)))
        << watch.rotations << " rotations, " << watch.releases << " releases\n"
        << sync.out() << sync.err();
    EXPECT_TRUE(application.each_commits(50)) << "a writer stands still";
    // What the open transaction writes now goes where it went before, or elsewhere: it does not wait either.
    slow.run("INSERT INTO items VALUES (-2, 'slow'); COMMIT");
    const int rotations = watch.rotations;
    EXPECT_TRUE(wait_until([&] { return watch.rotations >= rotations + 4; }));
    EXPECT_TRUE(application.each_commits(50)) << "a writer stands still";

    application.stop();
    sync.signal(SIGTERM);
    EXPECT_EQ(sync.wait().exit_code, 0);
    watch.stop();
    EXPECT_THAT(watch.looks.load(), Ge(100));
    EXPECT_THAT(watch.waits(), testing::IsEmpty());

    pipeline_.must({"sync", "--until-empty"});
    EXPECT_EQ(replayed(), table());
    EXPECT_THAT(table(), testing::Contains(Pipeline::Row{"-1", "slow"}));
}

}  // namespace
}  // namespace eider::test
