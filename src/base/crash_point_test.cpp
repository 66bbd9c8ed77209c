#include "base/crash_point.h"

#include <cstdlib>
#include <unistd.h>

#include <gtest/gtest.h>

namespace eider {
namespace {

// The variable is read once a process, so each test passes its points in a process of its own.
void pass(const char* variable, int times) {
    if (variable == nullptr) unsetenv("EIDER_CRASH_AT");
    else setenv("EIDER_CRASH_AT", variable, 1);
    std::atexit([] { _exit(3); });  // _exit skips this
    for (int i = 0; i < times; ++i) {
        crash_point("batch.other");
        crash_point("batch.here");
        crash_point("batch.here_too");
    }
    _exit(0);
}

using testing::ExitedWithCode;

TEST(CrashPointDeathTest, EndsTheProcessAsIfKilled) {
    EXPECT_EXIT(pass("batch.here", 1), ExitedWithCode(137), "");
}

TEST(CrashPointDeathTest, EndsItAtTheNthTime) {
    EXPECT_EXIT(pass("batch.here:3", 2), ExitedWithCode(0), "");
    EXPECT_EXIT(pass("batch.here:3", 3), ExitedWithCode(137), "");
}

TEST(CrashPointDeathTest, LetsOtherPointsPass) {
    EXPECT_EXIT(pass("batch", 5), ExitedWithCode(0), "");
    EXPECT_EXIT(pass("batch.here_tooo", 5), ExitedWithCode(0), "");
    EXPECT_EXIT(pass("", 5), ExitedWithCode(0), "");
}

TEST(CrashPointDeathTest, DoesNothingWithoutTheVariable) {
    EXPECT_EXIT(pass(nullptr, 5), ExitedWithCode(0), "");
}

}  // namespace
}  // namespace eider
