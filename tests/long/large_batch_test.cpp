// A batch far larger than the memory that eider may use: ten million events of one transaction.
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pipeline.h"

namespace eider::test {
namespace {

constexpr long events = 10'000'000;
constexpr long limit_mib = 512;
constexpr long beside_mib = 250;  // what the program may need besides DuckDB's own limit

TEST(LargeBatch, OfTenMillionEventsPassesUnderALimitOfHalfAGigabyte) {
    Pipeline pipeline;
    pipeline.environment["EIDER_MEMORY_LIMIT"] = fmt::format("{}MB", limit_mib);
    pipeline.application.run("CREATE TABLE large (id int PRIMARY KEY, v text)");
    pipeline.init();
    pipeline.application.run(
        fmt::format("INSERT INTO large SELECT i, 'value ' || i FROM generate_series(1, {}) AS i", events));
    const Finished sync = pipeline.start({"sync"}).wait(std::chrono::minutes(20));
    ASSERT_EQ(sync.exit_code, 0) << sync.out << sync.err;
    EXPECT_THAT(sync.out, testing::HasSubstr("batch 1: 10,000,000 events of 1 table"));
    fmt::print("{}peak {} MiB\n", sync.out, sync.peak_kib / 1024);
    RecordProperty("peak_mib", static_cast<int>(sync.peak_kib / 1024));
    EXPECT_LT(sync.peak_kib / 1024, limit_mib + beside_mib);

    // Read, not counted by metadata: each row once, and as it was written.
    EXPECT_EQ(pipeline
                  .peek("SELECT count(*), count(DISTINCT (data->>'id')::INT), min((data->>'id')::INT), "
                        "max((data->>'id')::INT), "
                        "count(*) FILTER (data->>'v' = 'value ' || (data->>'id')) FROM cdc")
                  .at(0),
              (Pipeline::Row{"10000000", "10000000", "1", "10000000", "10000000"}));
    EXPECT_EQ(pipeline.must({"sync"}), "nothing to move\n");
}

}  // namespace
}  // namespace eider::test
