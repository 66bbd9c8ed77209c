// The lake on catalogs that need no server: a DuckDB file and a SQLite file. What is read back is read by another
// engine, opened read-only after the writer is gone.
#include "lake/ducklake.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/snapshot.h"
#include "base/text.h"

namespace eider::lake {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Cell = std::optional<std::string>;

// An event with memory of its own.
struct Change {
    std::int64_t seq = 0;
    char op = 'I';
    std::string schema = "shop";
    std::string table = "orders";
    Cell data = R"({"id":1})";
    Cell before = std::nullopt;
    Cell context = std::nullopt;
    bool nested = false;
    std::uint64_t xid = 700;
    std::int64_t ts_us = 1'700'000'000'123'456;  // 2023-11-14 22:13:20.123456 UTC
};

// Gives its changes in one buffer, as a real stream does, so that a view kept too long shows. Ends as `at_end` says.
class Changes : public EventStream {
public:
    explicit Changes(std::vector<Change> changes, std::exception_ptr at_end = nullptr)
        : changes_(std::move(changes)), at_end_(std::move(at_end)) {}  // NOLINT(bugprone-throw-keyword-missing): later

    const Event* next() override {
        if (at_ == changes_.size()) {
            if (at_end_ != nullptr) std::rethrow_exception(at_end_);
            return nullptr;
        }
        current_ = std::make_unique<Change>(changes_[at_++]);
        event_ = {.seq = current_->seq,
                  .xid = current_->xid,
                  .ts_us = current_->ts_us,
                  .op = current_->op,
                  .nested = current_->nested,
                  .table_schema = current_->schema,
                  .table_name = current_->table,
                  .data = current_->data,
                  .before = current_->before,
                  .context = current_->context};
        return &event_;
    }

private:
    std::vector<Change> changes_;
    std::exception_ptr at_end_;
    std::size_t at_ = 0;
    std::unique_ptr<Change> current_;
    Event event_;
};

EventStreams stream_of(std::vector<Change> changes, std::exception_ptr at_end = nullptr) {
    EventStreams streams;
    streams.push_back(std::make_unique<Changes>(std::move(changes), std::move(at_end)));
    return streams;
}

std::vector<Change> numbered(std::int64_t count, std::int64_t first = 1) {
    std::vector<Change> changes;
    for (std::int64_t seq = first; seq < first + count; ++seq) {
        changes.push_back({.seq = seq, .data = fmt::format(R"({{"id":{}}})", seq)});
    }
    return changes;
}

const SourceIdentity source{.system_identifier = "7300000000000000001", .database = "shop", .installation = "one"};

BatchPlan first_batch() {
    return {.consumer = "main",
            .epoch = "e1",
            .batch = 1,
            .cursor_before = std::string(empty_cursor),
            .cursor = "10:20:",
            .source = source};
}

BatchPlan second_batch() {
    return {
        .consumer = "main", .epoch = "e1", .batch = 2, .cursor_before = "10:20:", .cursor = "30:40:", .source = source};
}

template <typename Action>
Error error_of(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorKind::internal, "nothing was thrown"};
}

class Lakes : public testing::TestWithParam<CatalogKind> {
protected:
    Lakes() {
        // In memory where there is such a place: dozens of small catalogs wait for the disk else.
        const fs::path root = fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
        std::string name = (root / "eider_lake_XXXXXX").string();
        folder_ = mkdtemp(name.data());
        options_ = {.catalog = GetParam(),
                    .location = (folder_ / "catalog" / "lake.db").string(),
                    .data_path = (folder_ / "data").string()};
    }
    ~Lakes() override { fs::remove_all(folder_); }
    Lakes(const Lakes&) = delete;
    Lakes& operator=(const Lakes&) = delete;

    // A lake with consumer main, as `eider init` leaves it.
    std::unique_ptr<DuckLake> started() {
        auto lake = std::make_unique<DuckLake>(options_, Access::create);
        lake->start("main", "e1", std::string(empty_cursor), source);
        return lake;
    }

    std::vector<std::vector<Cell>> read(const std::string& query) {
        DuckLake reader(options_, Access::read);
        return reader.session().query(query).rows;
    }

    std::int64_t events() { return std::stoll(read("SELECT count(*) FROM cdc").at(0).at(0).value()); }
    std::int64_t batches() {
        return std::stoll(read("SELECT count(*) FROM eider.log WHERE kind = 'batch'").at(0).at(0).value());
    }

    // Runs a statement on the catalog's own tables, attached as `meta`.
    void change_catalog(const std::string& sql) {
        const bool sqlite = GetParam() == CatalogKind::sqlite;
        Engine engine({}, sqlite ? std::vector<std::string>{"sqlite_scanner"} : std::vector<std::string>{});
        Session session = engine.connect();
        session.run(
            fmt::format("ATTACH {} AS meta{}", quote_literal(options_.location), sqlite ? " (TYPE sqlite)" : ""));
        session.run(sql);
        session.run("DETACH meta");
    }

    fs::path folder_;
    LakeOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Catalog, Lakes, testing::Values(CatalogKind::duckdb, CatalogKind::sqlite),
                         [](const auto& parameter) {
                             return parameter.param == CatalogKind::duckdb ? "DuckDb" : "Sqlite";
                         });

TEST_P(Lakes, AreCreatedOnceAndFoundAgain) {
    EXPECT_EQ(started()->head("main")->epoch, "e1");
    DuckLake again(options_, Access::create);
    EXPECT_EQ(again.head("main")->epoch, "e1");
}

TEST_P(Lakes, AreForTheirOwnersEyesOnly) {
    started();
    for (const fs::path& folder : {folder_ / "data", folder_ / "catalog"}) {
        EXPECT_EQ(fs::status(folder).permissions() & (fs::perms::group_all | fs::perms::others_all), fs::perms::none)
            << folder;
    }
}

TEST_P(Lakes, KnowNoConsumerBeforeItsStart) {
    const DuckLake lake(options_, Access::create);
    EXPECT_EQ(const_cast<DuckLake&>(lake).head("main"), std::nullopt);
}

TEST_P(Lakes, StartAConsumerWithNothingInIt) {
    const auto head = started()->head("main");
    ASSERT_TRUE(head);
    EXPECT_EQ(head->epoch, "e1");
    EXPECT_EQ(head->cursor, empty_cursor);
    EXPECT_EQ(head->batch, 0);
    EXPECT_EQ(head->source, source);
    EXPECT_EQ(head->committed_at, "");
}

TEST_P(Lakes, KeepConsumersApart) {
    auto lake = started();
    lake->start("it's another", "x1", "3:3:", source);
    lake->append(first_batch(), stream_of(numbered(1)), nullptr);
    lake->take_over("it's another", "x2");
    EXPECT_EQ(lake->head("main")->epoch, "e1");
    EXPECT_EQ(lake->head("main")->batch, 1);
    EXPECT_EQ(lake->head("it's another")->epoch, "x2");
    EXPECT_EQ(lake->head("it's another")->cursor, "3:3:");
}

TEST_P(Lakes, MoveAConsumerToAnotherInstallation) {
    auto lake = started();
    lake->append(first_batch(), stream_of(numbered(1)), nullptr);
    SourceIdentity other = source;
    other.installation = "two";
    lake->start("main", "e2", "50:50:", other);
    const auto head = lake->head("main");
    EXPECT_EQ(head->epoch, "e2");
    EXPECT_EQ(head->cursor, "50:50:");
    EXPECT_EQ(head->batch, 1);
    EXPECT_EQ(head->source, other);
    lake->append(
        {.consumer = "main", .epoch = "e2", .batch = 2, .cursor_before = "50:50:", .cursor = "60:60:", .source = other},
        stream_of(numbered(1, 2)), nullptr);
    EXPECT_EQ(lake->head("main")->cursor, "60:60:");
}

TEST_P(Lakes, HaveTheColumnsOfCreateSqlInItsOrder) {
    started();
    std::vector<std::string> names;
    std::vector<std::string> types;
    for (const auto& row : read("SELECT column_name, column_type FROM (DESCRIBE lake.main.cdc)")) {
        names.push_back(row[0].value());
        types.push_back(row[1].value());
    }
    EXPECT_THAT(names, ElementsAre("dl_ts", "cdc_uuid", "cdc_ts", "cdc_op", "table_schema", "table_name", "data", "seq",
                                   "xid", "batch", "origin", "before", "context", "nested"));
    EXPECT_THAT(types,
                ElementsAre("TIMESTAMP WITH TIME ZONE", "UUID", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "VARCHAR",
                            "VARCHAR", "JSON", "BIGINT", "BIGINT", "BIGINT", "VARCHAR", "JSON", "JSON", "BOOLEAN"));
}

const std::string odd_json = R"({"b":1.00,"a": 2,  "a":1e400,"text":"größe 🦆 \u0000 it's \"quoted\" \\ \n"})";

std::vector<Change> odd_changes() {
    return {{.seq = 1, .data = odd_json},
            {.seq = 2,
             .op = 'U',
             .data = R"({"id":1})",
             .before = odd_json,
             .context = R"({"user":"🦆"})",
             .nested = true},
            {.seq = 3, .op = 'D', .schema = R"(my "schema")", .table = "größe 🦆 it's", .data = "null"},
            {.seq = 4, .op = 'T', .data = std::nullopt},
            {.seq = 5, .data = "[]", .xid = 1ULL << 62, .ts_us = 0}};
}

void expect_odd_rows(const std::vector<std::vector<Cell>>& rows) {
    EXPECT_THAT(
        rows,
        ElementsAre(std::vector<Cell>{"1", "I", "shop", "orders", odd_json, std::nullopt, std::nullopt, "false", "700",
                                      "2023-11-14 22:13:20.123456+00", "1", "captured"},
                    std::vector<Cell>{"2", "U", "shop", "orders", R"({"id":1})", odd_json, R"({"user":"🦆"})", "true",
                                      "700", "2023-11-14 22:13:20.123456+00", "1", "captured"},
                    std::vector<Cell>{"3", "D", R"(my "schema")", "größe 🦆 it's", "null", std::nullopt,
                                      std::nullopt, "false", "700", "2023-11-14 22:13:20.123456+00", "1", "captured"},
                    std::vector<Cell>{"4", "T", "shop", "orders", std::nullopt, std::nullopt, std::nullopt, "false",
                                      "700", "2023-11-14 22:13:20.123456+00", "1", "captured"},
                    std::vector<Cell>{"5", "I", "shop", "orders", "[]", std::nullopt, std::nullopt, "false",
                                      "4611686018427387904", "1970-01-01 00:00:00+00", "1", "captured"}));
}

constexpr const char* odd_query =
    "SELECT seq, cdc_op, table_schema, table_name, data::VARCHAR, before::VARCHAR, context::VARCHAR, nested, xid, "
    "cdc_ts::VARCHAR,"
    " batch, origin FROM lake.main.cdc WHERE seq <= 5 ORDER BY seq";

TEST_P(Lakes, HoldEachValueOfASmallBatchExactlyAlsoOnceItIsInAFile) {
    auto lake = started();
    lake->append(first_batch(), stream_of(odd_changes()), nullptr);
    EXPECT_EQ(lake->status().files, 0);
    lake.reset();
    expect_odd_rows(read(odd_query));

    lake = std::make_unique<DuckLake>(options_, Access::write);
    lake->flush();
    EXPECT_GT(lake->status().files, 0);
    lake.reset();
    expect_odd_rows(read(odd_query));
}

TEST_P(Lakes, HoldEachValueOfALargeBatchExactly) {
    auto lake = started();
    std::vector<Change> changes = odd_changes();
    for (auto& change : numbered(5'000, 6)) changes.push_back(std::move(change));
    lake->append(first_batch(), stream_of(changes), nullptr);
    EXPECT_GT(lake->status().files, 0);
    lake.reset();
    expect_odd_rows(read(odd_query));
    EXPECT_EQ(read("SELECT count(*), count(DISTINCT seq), sum((data->>'id')::BIGINT)::BIGINT FROM cdc WHERE seq > 5"),
              (std::vector<std::vector<Cell>>{{"5000", "5000", std::to_string(5'000LL * (6 + 5'005) / 2)}}));
}

TEST_P(Lakes, HoldADocumentOfFiveMegabytes) {
    std::string document = R"({"text":")";
    while (document.size() < 5'000'000) document += fmt::format("🦆{} ", document.size());
    document += R"("})";
    auto lake = started();
    const BatchResult moved = lake->append(first_batch(), stream_of({{.seq = 1, .data = document}}), nullptr);
    EXPECT_EQ(moved.bytes, static_cast<std::int64_t>(document.size()));
    lake.reset();
    EXPECT_TRUE(read("SELECT data::VARCHAR FROM cdc").at(0).at(0) == document);
}

TEST_P(Lakes, TellWhatABatchBrought) {
    auto lake = started();
    std::vector<Change> changes = numbered(3);
    changes[1].table = "items";
    changes[2].schema = "other";
    std::atomic<std::int64_t> running = 5;
    const BatchResult moved = lake->append(first_batch(), stream_of(changes), &running);
    EXPECT_EQ(moved.events, 3);
    EXPECT_EQ(moved.tables, 3);
    EXPECT_EQ(moved.bytes, 3 * static_cast<std::int64_t>(std::string(R"({"id":1})").size()));
    EXPECT_GT(moved.lag_s, 0);
    EXPECT_EQ(running, 8);
    const LakeStatus status = lake->status();
    EXPECT_EQ(status.events, 3);
    EXPECT_EQ(status.batches, 1);
    lake.reset();
    EXPECT_EQ(read("SELECT events, tables, bytes, oldest_ts::VARCHAR, \"cursor\", epoch, consumer, system_identifier, "
                   "database, installation "
                   "FROM eider.log WHERE kind = 'batch'"),
              (std::vector<std::vector<Cell>>{{"3", "3", "24", "2023-11-14 22:13:20.123456+00", "10:20:", "e1", "main",
                                               source.system_identifier, "shop", "one"}}));
}

TEST_P(Lakes, MoveTheHeadWithEachBatch) {
    auto lake = started();
    lake->append(first_batch(), stream_of(numbered(2)), nullptr);
    lake->append(second_batch(), stream_of(numbered(2, 3)), nullptr);
    const auto head = lake->head("main");
    EXPECT_EQ(head->batch, 2);
    EXPECT_EQ(head->cursor, "30:40:");
    EXPECT_EQ(head->epoch, "e1");
    EXPECT_EQ(head->source, source);
    EXPECT_NE(head->committed_at, "");
    lake.reset();
    EXPECT_EQ(read("SELECT seq, batch FROM cdc ORDER BY seq"),
              (std::vector<std::vector<Cell>>{{"1", "1"}, {"2", "1"}, {"3", "2"}, {"4", "2"}}));
}

TEST_P(Lakes, ReadEachOfSeveralStreamsOnce) {
    auto lake = started();
    EventStreams streams;
    for (std::int64_t part = 0; part < 5; ++part) {
        // One of them is empty, and one is several chunks long.
        streams.push_back(std::make_unique<Changes>(numbered(part == 2   ? 0
                                                             : part == 3 ? 9'000
                                                                         : 10,
                                                             1 + part * 10'000)));
    }
    EXPECT_EQ(lake->append(first_batch(), std::move(streams), nullptr).events, 9'030);
    lake.reset();
    EXPECT_EQ(read("SELECT seq // 10000, count(*), count(DISTINCT seq) FROM cdc GROUP BY 1 ORDER BY 1"),
              (std::vector<std::vector<Cell>>{
                  {"0", "10", "10"}, {"1", "10", "10"}, {"3", "9000", "9000"}, {"4", "10", "10"}}));
}

TEST_P(Lakes, TakeABatchWithoutEvents) {
    auto lake = started();
    EXPECT_EQ(lake->append(first_batch(), {}, nullptr).events, 0);
    EXPECT_EQ(lake->head("main")->cursor, "10:20:");
    lake->append(second_batch(), stream_of({}), nullptr);
    EXPECT_EQ(lake->head("main")->cursor, "30:40:");
    lake.reset();
    EXPECT_EQ(read("SELECT oldest_ts::VARCHAR FROM eider.log WHERE kind = 'batch'"),
              (std::vector<std::vector<Cell>>{{std::nullopt}, {std::nullopt}}));
}

TEST_P(Lakes, KeepNothingOfABatchWhoseStreamFails) {
    auto lake = started();
    for (const std::int64_t count : {0, 1, 1'001, 2'048, 2'049, 6'000}) {
        const Error error = error_of([&] {
            lake->append(
                first_batch(),
                stream_of(numbered(count), std::make_exception_ptr(Error(ErrorKind::source_lost, "it's gone", "look"))),
                nullptr);
        });
        EXPECT_EQ(error.kind(), ErrorKind::source_lost) << count;
        EXPECT_STREQ(error.what(), "it's gone") << count;
        EXPECT_EQ(error.hint(), "look") << count;
        EXPECT_EQ(lake->head("main")->batch, 0) << count;
        EXPECT_EQ(lake->head("main")->cursor, empty_cursor) << count;
    }
    lake.reset();
    EXPECT_EQ(events(), 0);
    EXPECT_EQ(batches(), 0);
}

TEST_P(Lakes, KeepNothingWhereOneOfSeveralStreamsFails) {
    auto lake = started();
    EventStreams streams = stream_of(numbered(5'000));
    streams.push_back(std::make_unique<Changes>(numbered(3'000, 10'000),
                                                std::make_exception_ptr(std::runtime_error("no Error at all"))));
    EXPECT_THROW(lake->append(first_batch(), std::move(streams), nullptr), std::runtime_error);
    lake.reset();
    EXPECT_EQ(events(), 0);
    EXPECT_EQ(batches(), 0);
}

TEST_P(Lakes, GoOnAfterABatchThatFailed) {
    auto lake = started();
    EXPECT_THROW(
        lake->append(first_batch(),
                     stream_of(numbered(3'000), std::make_exception_ptr(Error(ErrorKind::source_lost, "gone"))),
                     nullptr),
        Error);
    EXPECT_EQ(lake->append(first_batch(), stream_of(numbered(2)), nullptr).events, 2);
    lake.reset();
    EXPECT_EQ(events(), 2);
}

TEST_P(Lakes, RefuseTextThatIsNotUtf8) {
    auto lake = started();
    // A lone continuation byte, a cut sequence, an overlong one, a surrogate, a code point above the last.
    for (const std::string bad :
         {"\x80", "\xf0\x9f\xa6", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "gr\xf6\xdf"}) {
        const Error error = error_of([&] {
            lake->append(first_batch(), stream_of({{.seq = 1, .data = R"({"name":")" + bad + R"("})"}}), nullptr);
        });
        EXPECT_EQ(error.kind(), ErrorKind::unrepresentable);
        EXPECT_NE(error.hint(), "");
    }
    std::vector<Change> late = numbered(2'500);
    late.back().data = "\"\x80\"";
    for (const auto& changes : {late,
                                {{.seq = 1, .table = "\x80"}},
                                {{.seq = 1, .schema = "\x80"}},
                                {{.seq = 1, .before = "\x80"}},
                                {{.seq = 1, .context = "\x80"}}}) {
        EXPECT_EQ(error_of([&] { lake->append(first_batch(), stream_of(changes), nullptr); }).kind(),
                  ErrorKind::unrepresentable);
    }
    lake.reset();
    EXPECT_EQ(events(), 0);
    EXPECT_EQ(batches(), 0);
}

TEST_P(Lakes, GiveAnEventTheSameUuidOnEachTry) {
    auto lake = started();
    const std::vector<Change> changes = numbered(3);
    EXPECT_THROW(
        lake->append(first_batch(), stream_of(changes, std::make_exception_ptr(Error(ErrorKind::source_lost, "gone"))),
                     nullptr),
        Error);
    lake->append(first_batch(), stream_of(changes), nullptr);
    lake.reset();
    const auto rows = read("SELECT cdc_uuid::VARCHAR FROM cdc ORDER BY cdc_uuid");
    ASSERT_EQ(rows.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rows[i][0], to_string(event_uuid(changes[i].ts_us, changes[i].seq)));
}

// A PostgreSQL json column takes half a surrogate pair; DuckDB cannot read a file with one.
TEST_P(Lakes, StayReadableWhateverPostgresTakesForJson) {
    auto lake = started();
    std::vector<Change> changes = numbered(1'500);
    changes[7].data = R"({"a":"\ud83d"})";
    changes[8].data = R"({"a":"\ude00x\ud83d\ud83d\ude00"})";
    lake->append(first_batch(), stream_of(changes), nullptr);
    lake.reset();
    EXPECT_EQ(read("SELECT count(*) FROM cdc WHERE length(data::VARCHAR) > 0").at(0).at(0), "1500");
}

TEST_P(Lakes, RefuseABatchOfAnotherEpoch) {
    auto lake = started();
    BatchPlan stale = first_batch();
    stale.epoch = "e0";
    EXPECT_EQ(error_of([&] { lake->append(stale, stream_of(numbered(1)), nullptr); }).kind(), ErrorKind::fenced);
    lake.reset();
    EXPECT_EQ(events(), 0);
}

TEST_P(Lakes, RefuseABatchThatFollowsAnotherCursor) {
    auto lake = started();
    lake->append(first_batch(), stream_of(numbered(1)), nullptr);
    EXPECT_EQ(error_of([&] { lake->append(first_batch(), stream_of(numbered(1)), nullptr); }).kind(),
              ErrorKind::fenced);
    lake->append(second_batch(), stream_of(numbered(1, 2)), nullptr);
    lake.reset();
    EXPECT_EQ(events(), 2);
}

TEST_P(Lakes, RefuseABatchOfAConsumerThatWasNeverStarted) {
    DuckLake lake(options_, Access::create);
    EXPECT_EQ(error_of([&] { lake.append(first_batch(), stream_of(numbered(1)), nullptr); }).kind(), ErrorKind::fenced);
}

TEST_P(Lakes, BelongToTheOneWhoTookThemOver) {
    auto lake = started();
    lake->append(first_batch(), stream_of(numbered(1)), nullptr);
    const auto before = lake->head("main");
    lake->take_over("main", "e2");
    const auto after = lake->head("main");
    EXPECT_EQ(after->epoch, "e2");
    EXPECT_EQ(after->cursor, before->cursor);
    EXPECT_EQ(after->batch, before->batch);
    EXPECT_EQ(after->source, before->source);
    EXPECT_EQ(after->committed_at, before->committed_at);

    EXPECT_EQ(error_of([&] { lake->append(second_batch(), stream_of(numbered(1, 2)), nullptr); }).kind(),
              ErrorKind::fenced);
    BatchPlan mine = second_batch();
    mine.epoch = "e2";
    lake->append(mine, stream_of(numbered(1, 2)), nullptr);
    lake->take_over("main", "e3");
    EXPECT_EQ(lake->head("main")->batch, 2);
    EXPECT_EQ(lake->head("main")->cursor, "30:40:");
    lake.reset();
    EXPECT_EQ(read("SELECT count(*) FROM eider.log WHERE kind = 'epoch'").at(0).at(0), "1");
    EXPECT_EQ(events(), 2);
}

TEST_P(Lakes, AreNotMadeByThoseWhoOnlyWriteOrRead) {
    for (const Access access : {Access::write, Access::read}) {
        const Error error = error_of([&] { const DuckLake lake(options_, access); });
        EXPECT_EQ(error.kind(), ErrorKind::lake_unavailable) << error.what();
        EXPECT_THAT(error.hint(), HasSubstr("eider init"));
    }
    EXPECT_FALSE(fs::exists(options_.location));
}

TEST_P(Lakes, AreNotMadeInACatalogOfSomethingElse) {
    fs::create_directories(folder_ / "catalog");
    change_catalog("CREATE TABLE meta.another(a INTEGER)");
    const Error error = error_of([&] { const DuckLake lake(options_, Access::write); });
    EXPECT_EQ(error.kind(), ErrorKind::lake_unavailable) << error.what();
    EXPECT_THAT(error.hint(), HasSubstr("eider init"));
}

TEST_P(Lakes, AreNotWrittenByAReader) {
    started();
    DuckLake reader(options_, Access::read);
    EXPECT_THROW(reader.session().run("DELETE FROM eider.log"), Error);
    EXPECT_THROW(reader.append(first_batch(), stream_of(numbered(1)), nullptr), Error);
}

TEST_P(Lakes, RefuseAnotherDataPath) {
    started();
    options_.data_path = (folder_ / "elsewhere").string();
    const Error error = error_of([&] { const DuckLake lake(options_, Access::write); });
    EXPECT_EQ(error.kind(), ErrorKind::config) << error.what();
    EXPECT_THAT(error.hint(), HasSubstr("data_path"));
}

TEST_P(Lakes, KnowTheirDataPathThemselves) {
    started()->append(first_batch(), stream_of(numbered(3'000)), nullptr);
    options_.data_path.clear();
    EXPECT_EQ(events(), 3'000);
}

TEST_P(Lakes, OfAnotherVersionAreRefusedByName) {
    started();
    for (const char* version : {"0.2", "99.5"}) {
        change_catalog(fmt::format("UPDATE meta.ducklake_metadata SET value = '{}' WHERE key = 'version'", version));
        const Error error = error_of([&] { const DuckLake lake(options_, Access::write); });
        EXPECT_EQ(error.kind(), ErrorKind::lake_incompatible) << error.what();
        EXPECT_THAT(error.what(), HasSubstr(version));
        EXPECT_THAT(error.what(), HasSubstr("1.0"));
        EXPECT_NE(error.hint(), "");
    }
}

TEST_P(Lakes, NeedTheExtensionsOfTheirLibrary) {
    options_.engine.extension_directory = folder_ / "nothing";
    const Error error = error_of([&] { const DuckLake lake(options_, Access::create); });
    EXPECT_EQ(error.kind(), ErrorKind::lake_incompatible);
    EXPECT_THAT(error.what(), HasSubstr("ducklake"));
    EXPECT_THAT(error.what(), HasSubstr(folder_.string()));
    EXPECT_THAT(error.hint(), HasSubstr("EIDER_EXTENSION_DIR"));
    EXPECT_THAT(error.hint(), HasSubstr(library_version()));
}

TEST_P(Lakes, RefuseAnExtensionThatIsNone) {
    const fs::path platform = folder_ / "broken" / library_version() / "linux_amd64";
    fs::create_directories(platform);
    std::ofstream(platform / "ducklake.duckdb_extension") << "not an extension";
    options_.engine.extension_directory = folder_ / "broken";
    EXPECT_EQ(error_of([&] { const DuckLake lake(options_, Access::create); }).kind(), ErrorKind::lake_incompatible);
}

TEST_P(Lakes, SayWhichFolderTheyCannotMake) {
    std::ofstream(folder_ / "file") << "in the way";
    options_.data_path = (folder_ / "file" / "data").string();
    const Error error = error_of([&] { const DuckLake lake(options_, Access::create); });
    EXPECT_EQ(error.kind(), ErrorKind::disk);
    EXPECT_THAT(error.what(), HasSubstr(options_.data_path));
}

TEST_P(Lakes, AreOpenedByAnyDuckDbWithTheStatementsOfAttachSql) {
    started()->append(first_batch(), stream_of(numbered(3'000)), nullptr);
    Engine engine({}, {});
    Session session = engine.connect();
    session.run(attach_sql(options_));
    EXPECT_EQ(session.query("SELECT count(*) FROM cdc").integer(0, 0), 3'000);
    EXPECT_THROW(session.run("DELETE FROM cdc"), Error);
}

TEST_P(Lakes, StandInPathsWithQuotesAndSpaces) {
    options_.location = (folder_ / "it's a \"catalog\"" / "größe 🦆.db").string();
    options_.data_path = (folder_ / "it's the data").string();
    started()->append(first_batch(), stream_of(numbered(3'000)), nullptr);
    EXPECT_EQ(events(), 3'000);
    Engine engine({}, {});
    Session session = engine.connect();
    session.run(attach_sql(options_));
    EXPECT_EQ(session.query("SELECT count(*) FROM cdc").integer(0, 0), 3'000);
}

TEST(AttachSql, HoldsNoPassword) {
    for (const char* location :
         {"postgresql://u:XYZ@h/db", "host=h password='XYZ' user=u", "postgresql://u@h/db?password=XYZ&user=u"}) {
        const std::string sql = attach_sql(
            {.catalog = CatalogKind::postgres, .location = location, .catalog_schema = "it's", .data_path = "/data"});
        EXPECT_THAT(sql, Not(HasSubstr("XYZ")));
        EXPECT_THAT(sql, HasSubstr("META_SCHEMA 'it''s'"));
        EXPECT_THAT(sql, HasSubstr("READ_ONLY"));
        EXPECT_THAT(sql, HasSubstr("PGPASSWORD"));
    }
}

TEST(PostgresCatalog, ThatCannotBeReachedIsUnavailableAndShowsNoPassword) {
    for (const char* location : {"postgresql://u:XYZ@/db?host=/nowhere", "host=/nowhere password=XYZ user=u"}) {
        const LakeOptions options{.catalog = CatalogKind::postgres,
                                  .location = location,
                                  .catalog_schema = "lake",
                                  .data_path = "/nowhere/data"};
        const Error error = error_of([&] { const DuckLake lake(options, Access::write); });
        EXPECT_EQ(error.kind(), ErrorKind::lake_unavailable) << error.what();
        EXPECT_THAT(error.what(), Not(HasSubstr("XYZ")));
        EXPECT_NE(error.hint(), "");
    }
}

// DuckDB locks its files with fcntl: a process that holds that lock is all it takes.
class LockedFile {
public:
    explicit LockedFile(const std::string& file) {
        int ready[2];
        int stop[2];
        EXPECT_EQ(pipe(ready) | pipe(stop), 0);
        child_ = fork();
        if (child_ == 0) {
            struct flock lock {};
            lock.l_type = F_WRLCK;
            char byte = 0;
            close(stop[1]);
            const int handle = open(file.c_str(), O_RDWR);
            if (fcntl(handle, F_SETLK, &lock) == 0 && write(ready[1], "x", 1) == 1)
                static_cast<void>(!read(stop[0], &byte, 1));
            _exit(0);
        }
        close(ready[1]);
        close(stop[0]);
        stop_ = stop[1];
        char byte = 0;
        EXPECT_EQ(read(ready[0], &byte, 1), 1);
        close(ready[0]);
    }
    ~LockedFile() {
        close(stop_);
        waitpid(child_, nullptr, 0);
    }
    LockedFile(const LockedFile&) = delete;
    LockedFile& operator=(const LockedFile&) = delete;

private:
    pid_t child_ = 0;
    int stop_ = 0;
};

TEST_P(Lakes, InADuckDbFileThatAnotherProcessHasOpenAreBusy) {
    if (GetParam() != CatalogKind::duckdb) GTEST_SKIP() << "SQLite locks for the length of a statement only";
    started();
    const LockedFile locked(options_.location);
    const Error error = error_of([&] { const DuckLake lake(options_, Access::write); });
    EXPECT_EQ(error.kind(), ErrorKind::running) << error.what();
}

}  // namespace
}  // namespace eider::lake
