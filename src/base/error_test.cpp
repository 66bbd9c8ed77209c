#include "base/error.h"

#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace eider {
namespace {

TEST(ErrorKinds, EachHasARowOfItsOwnInTheOrderOfTheEnum) {
    ASSERT_EQ(error_kinds().size(), static_cast<std::size_t>(ErrorKind::internal) + 1) << "internal is the last kind";
    std::set<ErrorKind> seen;
    for (const auto& row : error_kinds()) {
        EXPECT_TRUE(seen.insert(row.kind).second) << row.name;
        EXPECT_EQ(info(row.kind).name, row.name);
        EXPECT_FALSE(row.meaning.empty()) << row.name;
    }
    for (int kind = 0; kind <= static_cast<int>(ErrorKind::internal); ++kind) {
        EXPECT_TRUE(seen.contains(static_cast<ErrorKind>(kind))) << kind;
    }
}

TEST(ErrorKinds, HaveUniqueNamesAndExitCodesThatAShellCanTell) {
    std::set<std::string_view> names;
    std::set<int> codes;
    for (const auto& row : error_kinds()) {
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_TRUE(codes.insert(row.exit_code).second) << row.name;
        // 0 is success, 1 is left to the runtime, from 126 on the shell has meanings of its own (130: SIGINT).
        EXPECT_GT(row.exit_code, 1) << row.name;
        EXPECT_TRUE(row.exit_code < 126 || row.kind == ErrorKind::interrupted) << row.name;
    }
}

// Scripts depend on these: a change here is a change of the interface.
TEST(ErrorKinds, KeepTheirExitCodes) {
    EXPECT_EQ(info(ErrorKind::config).exit_code, 2);
    EXPECT_EQ(info(ErrorKind::source_unavailable).exit_code, 10);
    EXPECT_EQ(info(ErrorKind::source_changed).exit_code, 15);
    EXPECT_EQ(info(ErrorKind::lake_unavailable).exit_code, 20);
    EXPECT_EQ(info(ErrorKind::fenced).exit_code, 24);
    EXPECT_EQ(info(ErrorKind::running).exit_code, 25);
    EXPECT_EQ(info(ErrorKind::in_doubt).exit_code, 26);
    EXPECT_EQ(info(ErrorKind::unrepresentable).exit_code, 30);
    EXPECT_EQ(info(ErrorKind::internal).exit_code, 70);
    EXPECT_EQ(info(ErrorKind::interrupted).exit_code, 130);
}

TEST(ErrorKinds, AreRetriedOnlyWhereTimeCanHelp) {
    for (const ErrorKind kind : {ErrorKind::source_unavailable, ErrorKind::source_lost, ErrorKind::lake_unavailable,
                                 ErrorKind::lake_conflict, ErrorKind::in_doubt, ErrorKind::running}) {
        EXPECT_EQ(info(kind).recovery, Recovery::retry) << info(kind).name;
    }
    for (const ErrorKind kind :
         {ErrorKind::config, ErrorKind::source_changed, ErrorKind::lake_incompatible, ErrorKind::fenced,
          ErrorKind::unrepresentable, ErrorKind::corrupt, ErrorKind::internal}) {
        EXPECT_EQ(info(kind).recovery, Recovery::stop) << info(kind).name;
    }
}

TEST(Error, CarriesWhatHappenedAndWhatToDo) {
    const Error error(ErrorKind::running, "another eider works", "wait for it");
    EXPECT_EQ(error.kind(), ErrorKind::running);
    EXPECT_STREQ(error.what(), "another eider works");
    EXPECT_EQ(error.hint(), "wait for it");
    EXPECT_EQ(Error(ErrorKind::disk, "x").hint(), "");
}

}  // namespace
}  // namespace eider
