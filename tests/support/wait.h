// Waiting in tests: for a condition, with a deadline; never for a time.
#pragma once

#include <chrono>
#include <functional>

namespace eider::test {

// Asks again and again until `condition` holds; false if it does not within `deadline`.
bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds deadline = std::chrono::seconds(30));

}  // namespace eider::test
