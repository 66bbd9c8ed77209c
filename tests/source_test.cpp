// PostgresSource against a real server: what the fakes of src/sync assume of it.
#include "capture/postgres_source.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/snapshot.h"
#include "capture/install.h"
#include "capture/tables.h"
#include "config/config.h"
#include "support/server.h"
#include "support/wait.h"

namespace eider::capture {
namespace {

class RealSource : public testing::Test {
protected:
    RealSource() : database_(test::fresh_database()), application_(database_.uri) {
        application_.run("CREATE TABLE orders (id int PRIMARY KEY, n int)");
        postgres::Connection connection(database_.uri);
        const Config config = parse_config(config_file_text({.source = database_.uri}), "eider.toml", {}, {}, "/");
        install(connection, config);
        attach_tables(connection, config, choose_tables(connection, config));
    }

    std::unique_ptr<PostgresSource> connect() const {
        return std::make_unique<PostgresSource>(PostgresSourceOptions{.connection_string = database_.uri});
    }

    // How many changes a batch from `cursor` brings.
    static int count(PostgresSource& source, const std::string& cursor) {
        const auto snapshot = source.open(cursor);
        int count = 0;
        for (const auto& stream : snapshot->streams()) {
            while (stream->next() != nullptr) ++count;
        }
        return count;
    }

    test::Database database_;
    test::Client application_;
};

TEST_F(RealSource, HasNoChangesUntilTheyAreCommitted) {
    const auto source = connect();
    std::string cursor(empty_cursor);
    EXPECT_FALSE(source->has_changes(cursor));
    application_.run("BEGIN; INSERT INTO orders VALUES (1, 1)");
    EXPECT_FALSE(source->has_changes(cursor));
    EXPECT_EQ(count(*source, cursor), 0);
    application_.run("ROLLBACK");
    EXPECT_FALSE(source->has_changes(cursor));
    application_.run("INSERT INTO orders VALUES (1, 1), (2, 2)");
    EXPECT_TRUE(source->has_changes(cursor));
    EXPECT_EQ(count(*source, cursor), 2);
}

// Nothing but the end of the transaction happens between two looks: no number is drawn, and while it ran its id was
// in no list of running transactions.
TEST_F(RealSource, SeesTheEndOfATransactionThatDrewItsNumberBeforeTheLook) {
    const auto source = connect();
    for (int round = 1; round <= 3; ++round) {
        const std::string cursor = source->open(std::string(empty_cursor))->cursor();
        application_.run("BEGIN; INSERT INTO orders VALUES (" + std::to_string(round) + ", 1)");
        EXPECT_FALSE(source->has_changes(cursor));
        EXPECT_FALSE(source->has_changes(cursor));
        application_.run("COMMIT");
        EXPECT_TRUE(source->has_changes(cursor));
        EXPECT_EQ(count(*source, cursor), 1);
    }
}

TEST_F(RealSource, LeavesAnOpenTransactionToTheNextBatch) {
    const auto source = connect();
    test::Client another(database_.uri);
    application_.run("BEGIN; INSERT INTO orders VALUES (1, 1)");
    another.run("INSERT INTO orders VALUES (2, 2)");
    std::string cursor;
    {
        const auto snapshot = source->open(std::string(empty_cursor));
        cursor = snapshot->cursor();
    }
    EXPECT_EQ(Snapshot::parse(cursor).running.size(), 1U);
    EXPECT_FALSE(source->has_changes(cursor));
    application_.run("COMMIT");
    EXPECT_TRUE(source->has_changes(cursor));
    EXPECT_EQ(count(*source, cursor), 1);
}

TEST_F(RealSource, LocksOutOthersForAsLongAsItIsConnected) {
    auto first = connect();
    const auto second = connect();
    EXPECT_TRUE(first->lock("main"));
    EXPECT_TRUE(first->lock("main"));
    EXPECT_FALSE(second->lock("main"));
    EXPECT_TRUE(second->lock("another"));
    first.reset();
    EXPECT_TRUE(test::wait_until([&] { return second->lock("main"); }));
}

TEST_F(RealSource, LetsAnEpochBeReusedOnceAfterItsHolderLetGo) {
    const auto source = connect();
    EXPECT_FALSE(source->reclaim("main", "e1"));
    source->claim("main", "e1");
    EXPECT_FALSE(source->reclaim("main", "e1"));
    source->let_go("main", "e1");
    EXPECT_TRUE(source->confirmed("main")->let_go);
    EXPECT_FALSE(source->reclaim("main", "e2"));
    EXPECT_TRUE(source->reclaim("main", "e1"));
    EXPECT_FALSE(source->confirmed("main")->let_go);
    EXPECT_FALSE(connect()->reclaim("main", "e1"));
}

TEST_F(RealSource, LetsGoOfItsOwnEpochOnly) {
    const auto source = connect();
    source->claim("main", "e1");
    source->claim("main", "e2");
    source->let_go("main", "e1");
    EXPECT_FALSE(source->confirmed("main")->let_go);
    EXPECT_EQ(source->confirmed("main")->epoch, "e2");
    source->let_go("nobody", "e2");
    source->let_go("main", "e2");
    EXPECT_TRUE(source->confirmed("main")->let_go);
}

}  // namespace
}  // namespace eider::capture
