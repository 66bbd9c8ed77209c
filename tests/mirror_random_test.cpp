// Random applications, by seed: after each sync every mirror equals its source, and so does what the log alone says.
//
//   EIDER_SEED=7 EIDER_ROUNDS=1000 e2e_mirror_random   (that world only, so long)
#include <algorithm>
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "support/random_world.h"

namespace eider::test {
namespace {

constexpr unsigned worlds = 8;
constexpr int rounds = 25;

long long from_environment(const char* name, long long otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr ? otherwise : std::atoll(value);
}

std::string last_of(const std::vector<std::string>& history) {
    const auto first = history.size() - std::min<std::size_t>(history.size(), 400);
    return join({history.begin() + static_cast<std::ptrdiff_t>(first), history.end()}, "\n");
}

void run_world(unsigned seed, int rounds_wanted) {
    SCOPED_TRACE(fmt::format("EIDER_SEED={}", seed));
    RandomWorld world(seed);
    for (int i = 0; i < rounds_wanted; ++i) {
        std::string wrong;
        try {
            wrong = world.round();
        } catch (const std::exception& error) {
            wrong = error.what();
        }
        ASSERT_EQ(wrong, "") << "in round " << i << " of EIDER_SEED=" << seed << "; what was done:\n"
                             << last_of(world.history());
    }
}

TEST(RandomMirrors, EqualTheirSourceAfterEachSync) {
    if (std::getenv("EIDER_SEED") != nullptr) {
        run_world(static_cast<unsigned>(from_environment("EIDER_SEED", 1)),
                  static_cast<int>(from_environment("EIDER_ROUNDS", rounds)));
        return;
    }
    for (unsigned seed = 1; seed <= worlds && !HasFatalFailure(); ++seed)
        run_world(seed, static_cast<int>(from_environment("EIDER_ROUNDS", rounds)));
}

}  // namespace
}  // namespace eider::test
