// Random applications, by seed: after each sync every mirror equals its source, and so does what the log alone says.
//
//   EIDER_SEED=7 EIDER_ROUNDS=1000 e2e_mirror_random   (that world only, so long)
#include <cstdlib>

#include <gtest/gtest.h>

#include "support/random_world.h"

namespace eider::test {
namespace {

constexpr unsigned worlds = 8;
constexpr int rounds = 25;

long long from_environment(const char* name, long long otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr ? otherwise : std::atoll(value);
}

TEST(RandomMirrors, EqualTheirSourceAfterEachSync) {
    if (std::getenv("EIDER_SEED") != nullptr) {
        run_random_world(static_cast<unsigned>(from_environment("EIDER_SEED", 1)),
                         static_cast<int>(from_environment("EIDER_ROUNDS", rounds)));
        return;
    }
    for (unsigned seed = 1; seed <= worlds && !testing::Test::HasFatalFailure(); ++seed)
        run_random_world(seed, static_cast<int>(from_environment("EIDER_ROUNDS", rounds)));
}

}  // namespace
}  // namespace eider::test
