// The process dies at each named point of the sources, while an application writes: what the next run leaves in the lake
// is what was committed, each change once.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pipeline.h"
#include "support/workload.h"

namespace eider::test {
namespace {

namespace fs = std::filesystem;
using testing::SizeIs;

constexpr int killed = 137;

// Every crash_point("...") of src/.
std::vector<std::string> points() {
    static const std::regex call("crash_point\\(\"([^\"]+)\"\\)");
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(source_root() / "src")) {
        const std::string name = entry.path().filename().string();
        if (entry.path().extension() != ".cpp" || name.ends_with("_test.cpp")) continue;
        std::ifstream file(entry.path());
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) found.insert((*at)[1]);
    }
    return {found.begin(), found.end()};
}

std::string part_of(const std::string& point) {
    return point.substr(0, point.find('.'));
}

std::vector<std::string> points_of(const std::set<std::string>& parts) {
    std::vector<std::string> out;
    for (const auto& point : points()) {
        if (parts.contains(part_of(point))) out.push_back(point);
    }
    return out;
}

std::string words(std::string point) {
    for (auto& c : point) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    }
    return point;
}

const std::set<std::string> at_init{"init", "attach"};
const std::set<std::string> at_sync{"batch", "takeover"};
const std::set<std::string> at_slots{"rotate", "release"};
const std::set<std::string> at_copy{"mirror"};

TEST(CrashPoint, EachBelongsToAScenarioBelow) {
    EXPECT_THAT(points(), SizeIs(testing::Ge(20)));
    for (const auto& point : points()) {
        const std::string part = part_of(point);
        EXPECT_TRUE(at_init.contains(part) || at_sync.contains(part) || at_slots.contains(part) ||
                    at_copy.contains(part))
            << "no scenario reaches " << point;
    }
}

// --- init ------------------------------------------------------------------------------------------------------------

class CrashOfInit : public testing::TestWithParam<std::string> {};

TEST_P(CrashOfInit, IsMendedByTheNextInit) {
    Pipeline pipeline;
    pipeline.environment["EIDER_TABLES"] = "shop.item";
    Workload::create_tables(pipeline.application);
    Workload workload(pipeline.source, 2);
    workload.wait_for(5);
    EXPECT_EQ(pipeline.eider({"init", pipeline.source.uri}, {{"EIDER_CRASH_AT", GetParam()}}).exit_code, killed);
    workload.wait_for(5);
    pipeline.init();
    const long long from = last_noted(pipeline);
    workload.wait_for(20);
    workload.stop();
    pipeline.must({"sync", "--until-empty"});
    EXPECT_EQ(differences(pipeline, from), "");
}

INSTANTIATE_TEST_SUITE_P(At, CrashOfInit, testing::ValuesIn(points_of(at_init)),
                         [](const auto& test) { return words(test.param); });

// --- sync ------------------------------------------------------------------------------------------------------------

class CrashOfSync : public OnLakesUnderLoad<std::tuple<std::string, CatalogKind>> {};

TEST_P(CrashOfSync, LeavesEachChangeInTheLakeOnce) {
    const auto& [point, catalog] = GetParam();
    LakeUnderLoad& lake = OnLakesUnderLoad::lake(catalog);
    if (part_of(point) == "takeover") {
        // Only a holder that did not let go is taken over.
        lake.workload->wait_for(2);
        ASSERT_EQ(lake.pipeline.eider({"sync"}, {{"EIDER_CRASH_AT", "batch.before_commit"}}).exit_code, killed);
    }
    lake.workload->wait_for(5);
    EXPECT_EQ(lake.pipeline.eider({"sync"}, {{"EIDER_CRASH_AT", point}}).exit_code, killed)
        << point << " was not reached";
    EXPECT_EQ(lake.differences_at_rest(), "");
}

INSTANTIATE_TEST_SUITE_P(
    At, CrashOfSync,
    testing::Combine(testing::ValuesIn(points_of(at_sync)),
                     testing::Values(CatalogKind::source, CatalogKind::duckdb, CatalogKind::sqlite)),
    [](const auto& test) { return words(std::get<0>(test.param)) + "_" + name_of(std::get<1>(test.param)); });

// What a later batch of the same process does differently does not lie in the catalog: one is enough.
class CrashOfLaterBatch : public OnLakesUnderLoad<std::string> {};

TEST_P(CrashOfLaterBatch, LeavesEachChangeInTheLakeOnce) {
    LakeUnderLoad& lake = OnLakesUnderLoad::lake(CatalogKind::source);
    EXPECT_EQ(lake.pipeline.eider({"sync", "--every", "10ms"}, {{"EIDER_CRASH_AT", GetParam() + ":3"}}).exit_code,
              killed);
    EXPECT_EQ(lake.differences_at_rest(), "");
}

INSTANTIATE_TEST_SUITE_P(At, CrashOfLaterBatch, testing::ValuesIn(points_of({"batch"})),
                         [](const auto& test) { return words(test.param); });

// --- the first copy of a mirror ---------------------------------------------------------------------------------------

class CrashOfCopy : public testing::TestWithParam<std::string> {};

TEST_P(CrashOfCopy, IsMadeUpForByTheNextSync) {
    Pipeline pipeline;
    pipeline.environment["EIDER_TABLES"] = "shop.item";
    pipeline.environment["EIDER_MIRROR"] = "true";
    Workload::create_tables(pipeline.application);
    pipeline.init();
    Workload workload(pipeline.source, 2);
    workload.wait_for(5);
    EXPECT_EQ(pipeline.eider({"sync"}, {{"EIDER_CRASH_AT", GetParam()}}).exit_code, killed)
        << GetParam() << " was not reached";
    workload.stop();
    pipeline.must({"sync", "--until-empty"});
    EXPECT_EQ(differences(pipeline), "");
    pipeline.must({"verify"});
}

INSTANTIATE_TEST_SUITE_P(At, CrashOfCopy, testing::ValuesIn(points_of(at_copy)),
                         [](const auto& test) { return words(test.param); });

// --- rotation and release --------------------------------------------------------------------------------------------

class CrashOfSlots : public OnLakesUnderLoad<std::tuple<std::string, std::string>> {};

TEST_P(CrashOfSlots, LeavesEachChangeInTheLakeOnceAndTheSlotsInUse) {
    const auto& [point, times] = GetParam();
    LakeUnderLoad& lake = OnLakesUnderLoad::lake(CatalogKind::source);
    // Every batch rotates, and the next one releases.
    const Variables always{{"EIDER_ROTATE_MIN_ROWS", "1"}};
    Variables crash = always;
    crash["EIDER_CRASH_AT"] = point + times;
    EXPECT_EQ(lake.pipeline.eider({"sync", "--every", "10ms"}, crash).exit_code, killed) << point << " was not reached";
    // Rotation and release go on: with the application at rest all that is read is released.
    lake.workload->stop();
    lake.pipeline.must({"sync", "--until-empty"}, always);
    EXPECT_EQ(Client(lake.pipeline.source.uri)
                  .number("SELECT count(*) FROM audit.cdc WHERE slot <> (SELECT active_slot FROM audit.installation)"),
              0);
    EXPECT_EQ(lake.differences_at_rest(always), "");
}

INSTANTIATE_TEST_SUITE_P(At, CrashOfSlots,
                         testing::Combine(testing::ValuesIn(points_of(at_slots)), testing::Values("", ":5")),
                         [](const auto& test) { return words(std::get<0>(test.param) + std::get<1>(test.param)); });

}  // namespace
}  // namespace eider::test
