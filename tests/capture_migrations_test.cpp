// Migrations that change a captured table under a running application: none of its statements fails, and no change is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "support/capture.h"
#include "support/server.h"

namespace eider::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Migration {
    const char* name;
    const char* ddl;
    const char* key;             // what identifies rows afterwards; has integers or their text
    bool watched = true;         // after the next look: eider records the end of such a key
    bool of_partitioned = true;  // PostgreSQL allows it there, too
};

// Of a table t (first, id PRIMARY KEY, n UNIQUE, v, w, secret).
constexpr Migration migrations[] = {
    {"another type of the key", "ALTER TABLE t ALTER id TYPE bigint", "id", true, false},
    {"text as the type of the key", "ALTER TABLE t ALTER id TYPE text", "id", true, false},
    {"another name of the key", "ALTER TABLE t RENAME id TO number", "number"},
    {"names swapped between the key and another column",
     "ALTER TABLE t RENAME id TO x; ALTER TABLE t RENAME n TO id; ALTER TABLE t RENAME x TO n", "n"},
    {"a new column under the old name of the key",
     "ALTER TABLE t RENAME id TO number; ALTER TABLE t ADD COLUMN id int DEFAULT 7", "number"},
    {"another column in the key", "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (n, id)", "id"},
    {"no primary key", "ALTER TABLE t DROP CONSTRAINT t_pkey", "id", false},
    {"no key column", "ALTER TABLE t DROP COLUMN id", "n", false, false},
    {"one column less before the key", "ALTER TABLE t DROP COLUMN first", "id"},
    {"one column more", "ALTER TABLE t ADD COLUMN later int DEFAULT 5", "id"},
    {"another type of another column", "ALTER TABLE t ALTER v TYPE varchar(50), ALTER n TYPE numeric", "id"},
    {"another name of the table", "ALTER TABLE t RENAME TO moved; CREATE VIEW t AS SELECT * FROM moved", "id"},
    {"another schema of the table", "CREATE SCHEMA other; ALTER TABLE t SET SCHEMA other", "id"},
};

// What a table may be captured with: each has statements of its own.
struct How {
    const char* name;
    const char* options;
};

constexpr How hows[] = {
    {"plain", "{}"},
    {"before", R"({"before": true})"},
    {"where", R"({"where": "v <> 'hidden'"})"},
    {"exclude", R"({"exclude": ["secret"]})"},
};

// Who goes on after the migration.
enum class Who {
    session_that_migrates,
    transaction_that_migrates,
    session_with_plans,
    transaction_with_an_old_snapshot
};

using Case = std::tuple<How, Who>;

std::string name_of(const testing::TestParamInfo<Case>& info) {
    constexpr const char* names[] = {"session_that_migrates", "transaction_that_migrates", "session_with_plans",
                                     "transaction_with_an_old_snapshot"};
    return fmt::format("{}_{}", std::get<How>(info.param).name, names[static_cast<int>(std::get<Who>(info.param))]);
}

class Migrations : public testing::TestWithParam<Case> {
protected:
    void SetUp() override {
        install_capture(admin_);
        admin_.run("SET search_path = shop, other");
    }

    // A table whose statements are planned in both sessions: more often than PostgreSQL plans for single values.
    void start(bool by_row) {
        admin_.run("DROP SCHEMA IF EXISTS shop, other CASCADE; CREATE SCHEMA shop; SELECT audit.refresh()");
        admin_.run(fmt::format(
            "CREATE TABLE t (first int, id int, n int DEFAULT 0, v text, w text, secret text, PRIMARY KEY (id)) {}",
            by_row ? "PARTITION BY HASH (id)" : ""));
        if (by_row) admin_.run("CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0)");
        admin_.run(
            "INSERT INTO t VALUES (0, 1, 10, 'a', 'one'), (0, 2, 20, 'b', 'two'), (0, 3, 30, 'c', 'three');"
            "CREATE FUNCTION change() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = v || '+' WHERE w = "
            "'two'; END $$");
        attach(admin_, "t", std::get<How>(GetParam()).options);
        other_ = std::make_unique<Client>(database_.uri);
        other_->run("SET search_path = shop, other");
        for (Client* session : {&admin_, other_.get()}) {
            session->run("DEALLOCATE ALL; PREPARE change AS UPDATE t SET v = v || '-' WHERE w = 'two'");
            for (int i = 0; i < 8; ++i)
                session->run(
                    "EXECUTE change; SELECT change(); UPDATE t SET id = -id; INSERT INTO t VALUES (0, 9); DELETE FROM "
                    "t WHERE id = 9");
        }
    }

    // The log as if all rows had just been inserted.
    void begin_log() {
        forget_events(admin_);
        admin_.run(
            "INSERT INTO audit.cdc_1 (rel, op, nested, data) SELECT rel, 'I', false, row_to_json(t.*) FROM t, (SELECT "
            "rel FROM audit.relation WHERE kind <> 'partition' AND detached_at IS NULL) AS r");
    }

    // The log, played: the rows in which it differs from the table. Of a table with `exclude` only keys and values: a new
    // column is left out there until somebody decides.
    std::vector<std::string> differences(const std::string& key) {
        const bool is_whole = std::string(std::get<How>(GetParam()).name) != "exclude";
        const std::string row =
            is_whole ? "to_jsonb(r.*)" : fmt::format("jsonb_build_object('{0}', r.{0}, 'v', r.v)", key);
        const std::string data =
            is_whole ? "data::jsonb" : fmt::format("jsonb_build_object('{0}', data -> '{0}', 'v', data -> 'v')", key);
        std::vector<std::string> found;
        for (const auto& difference : admin_.run(fmt::format(R"sql(
                 WITH last AS (SELECT DISTINCT ON (data ->> '{0}') op, {2} AS row FROM audit.cdc ORDER BY data ->> '{0}', seq DESC),
                      played AS (SELECT row FROM last WHERE op <> 'D')
                 SELECT 'log: ' || x::text FROM (SELECT * FROM played EXCEPT SELECT {1} FROM t AS r) AS x
                 UNION ALL SELECT 'table: ' || x::text FROM (SELECT {1} FROM t AS r EXCEPT SELECT * FROM played) AS x)sql",
                                                             key, row, data))) {
            found.push_back(difference[0].value_or("NULL"));
        }
        return found;
    }

    // The application does what it always does.
    static void go_on(Client& session, const std::string& key) {
        session.run("EXECUTE change");
        session.run("SELECT change()");
        session.run(fmt::format("UPDATE t SET {} = '100' WHERE w = 'one'", key));
        session.run(fmt::format("INSERT INTO t ({}, v, w) VALUES ('101', 'd', 'new')", key));
        session.run("DELETE FROM t WHERE w = 'three'");
    }

    void run(const Migration& migration, bool by_row) {
        SCOPED_TRACE(migration.name);
        start(by_row);
        const Who who = std::get<Who>(GetParam());
        Client& session = who == Who::session_that_migrates || who == Who::transaction_that_migrates ? admin_ : *other_;
        if (who == Who::transaction_that_migrates) session.run("BEGIN; EXECUTE change");
        if (who == Who::transaction_with_an_old_snapshot)
            session.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_snapshot()");
        admin_.run(migration.ddl);
        begin_log();
        go_on(session, migration.key);
        if (who == Who::transaction_that_migrates || who == Who::transaction_with_an_old_snapshot)
            session.run("COMMIT");
        EXPECT_THAT(differences(migration.key), IsEmpty());
        // To an old snapshot a table that was written anew is empty: there is nothing to update.
        EXPECT_EQ(admin_.number("SELECT count(*) FROM audit.cdc WHERE op = 'I'"), 4);

        // The next look finds out what has become of the key.
        admin_.run(
            "SELECT audit.refresh(); SELECT audit.attach(rel, options) FROM audit.relation WHERE kind <> 'partition' "
            "AND detached_at IS NULL");
        EXPECT_THAT(admin_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
        forget_events(admin_);
        session.run(fmt::format("UPDATE t SET {} = '102' WHERE w = 'new'; UPDATE t SET v = 'e' WHERE w = 'new'",
                                migration.key));
        if (migration.watched) {
            EXPECT_THAT(short_events(admin_, migration.key), ElementsAre("D 101", "U 102", "U 102"));
        } else {
            EXPECT_THAT(short_events(admin_, migration.key), ElementsAre("U 102", "U 102"));
        }
    }

    Database database_ = fresh_database();
    Client admin_{database_.uri};
    std::unique_ptr<Client> other_;
};

INSTANTIATE_TEST_SUITE_P(By, Migrations,
                         testing::Combine(testing::ValuesIn(hows),
                                          testing::Values(Who::session_that_migrates, Who::transaction_that_migrates,
                                                          Who::session_with_plans,
                                                          Who::transaction_with_an_old_snapshot)),
                         name_of);

TEST_P(Migrations, OfATableLoseNoChangeAndBreakNoStatement) {
    for (const Migration& migration : migrations) run(migration, false);
}

TEST_P(Migrations, OfAPartitionedTableLoseNoChangeAndBreakNoStatement) {
    for (const Migration& migration : migrations) {
        if (migration.of_partitioned) run(migration, true);
    }
}

}  // namespace
}  // namespace eider::test
