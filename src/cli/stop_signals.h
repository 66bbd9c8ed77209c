// SIGINT and SIGTERM as a std::stop_token.
//
// Guarantees: the first signal asks for a stop, the second ends the process at once with 130 or 143: nothing is lost by
// that, the next run goes on where the lake stands. Programs started meanwhile are not affected.
// Threads: one object at a time.
#pragma once

#include <stop_token>
#include <thread>

namespace eider::cli {

class StopSignals {
public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    std::stop_token token() const { return source_.get_token(); }

private:
    std::stop_source source_;
    std::jthread waiter_;
};

}  // namespace eider::cli
