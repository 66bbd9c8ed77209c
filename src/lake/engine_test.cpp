#include "lake/engine.h"

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Session a_session() {
    return Engine({}, {}).connect();
}

ErrorKind kind_of(const EngineOptions& options) {
    try {
        const Engine engine(options, {});
    } catch (const Error& error) {
        EXPECT_NE(error.hint(), "");
        return error.kind();
    }
    return ErrorKind::internal;
}

TEST(Session, GivesCellsAsTextAndNullAsNothing) {
    using Cell = std::optional<std::string>;
    const Rows rows = a_session().query(
        "SELECT 1::BIGINT AS a, -2::INTEGER AS b, 18446744073709551615::UBIGINT AS c, true AS d, 0.5::DOUBLE AS e,"
        " 'größe 🦆 and a long text' AS f, NULL::VARCHAR AS g, NULL::BIGINT AS h, '' AS i");
    EXPECT_THAT(rows.columns, ElementsAre("a", "b", "c", "d", "e", "f", "g", "h", "i"));
    EXPECT_EQ(rows.rows,
              (std::vector<std::vector<Cell>>{{"1", "-2", "18446744073709551615", "true", "0.5",
                                               "größe 🦆 and a long text", std::nullopt, std::nullopt, ""}}));
}

TEST(Session, GivesAllRowsOfManyChunks) {
    const Rows rows = a_session().query("SELECT i::BIGINT FROM range(10000) AS t(i) ORDER BY i");
    ASSERT_EQ(rows.rows.size(), 10'000U);
    EXPECT_EQ(rows.integer(9'999, 0), 9'999);
}

TEST(Session, RefusesToGuessAtOtherTypes) {
    try {
        static_cast<void>(a_session().query("SELECT DATE '2024-01-01'"));
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::internal);
    }
}

TEST(Session, SaysWhatDuckDbRefused) {
    try {
        a_session().run("SELEKT 1");
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::lake_rejected);
        EXPECT_THAT(error.what(), HasSubstr("SELEKT"));
    }
}

TEST(Session, OutlivesItsEngine) {
    Session session = a_session();
    session.run("CREATE TABLE t AS SELECT 7::BIGINT AS n");
    EXPECT_EQ(session.query("SELECT n FROM t").integer(0, 0), 7);
}

TEST(Session, TellsOneQueryFromOtherStatements) {
    Session session = a_session();
    EXPECT_TRUE(session.is_query("SELECT 1"));
    EXPECT_TRUE(session.is_query("WITH a AS (SELECT 1) SELECT * FROM a"));
    EXPECT_TRUE(session.is_query("FROM range(3)"));
    EXPECT_FALSE(session.is_query("CREATE TABLE t(a INTEGER)"));
    EXPECT_THROW(session.is_query("SELECT 1; SELECT 2"), Error);
    EXPECT_THROW(session.is_query("SELEKT"), Error);
}

TEST(Rows, RefuseWhatIsNotThere) {
    const Rows rows = a_session().query("SELECT NULL::BIGINT AS a, 'x' AS b");
    EXPECT_THROW(rows.text(0, 0), Error);
    EXPECT_THROW(rows.integer(0, 0), Error);
    EXPECT_THROW(rows.integer(0, 1), Error);
    EXPECT_EQ(rows.text(0, 1), "x");
}

TEST(Engine, RefusesSettingsThatDuckDbDoesNotTake) {
    EXPECT_EQ(kind_of({.memory_limit = "plenty"}), ErrorKind::config);
    EXPECT_EQ(kind_of({.temp_directory = "/proc/nowhere/\n"}), ErrorKind::internal)
        << "is only looked at when it is needed";
}

TEST(Engine, TakesItsSettings) {
    Session session = Engine({.memory_limit = "100MiB", .threads = 1}, {}).connect();
    EXPECT_EQ(session.query("SELECT current_setting('memory_limit')").text(0, 0), "100.0 MiB");
    EXPECT_EQ(session.query("SELECT current_setting('threads')::BIGINT").integer(0, 0), 1);
    EXPECT_EQ(session.query("SELECT current_setting('autoinstall_known_extensions')").text(0, 0), "false");
}

TEST(ExtensionDirectory, IsTheOneThatIsNamedFirst) {
    setenv("EIDER_EXTENSION_DIR", "/from/environment", 1);
    EXPECT_EQ(extension_directory("/wanted"), "/wanted");
    EXPECT_EQ(extension_directory({}), "/from/environment");
    setenv("EIDER_EXTENSION_DIR", "", 1);
    EXPECT_NE(extension_directory({}), "");
    unsetenv("EIDER_EXTENSION_DIR");
}

}  // namespace
}  // namespace eider::lake
