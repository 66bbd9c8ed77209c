// Random applications, many of them and for longer: see tests/mirror_random_test.cpp, which runs one again by its seed.
#include <gtest/gtest.h>

#include "support/random_world.h"

namespace eider::test {
namespace {

constexpr unsigned first_seed = 1000;
constexpr unsigned worlds = 60;
constexpr int rounds = 100;

TEST(RandomMirrors, EqualTheirSourceForThousandsOfRounds) {
    for (unsigned seed = first_seed; seed < first_seed + worlds && !testing::Test::HasFatalFailure(); ++seed)
        run_random_world(seed, rounds);
}

}  // namespace
}  // namespace eider::test
