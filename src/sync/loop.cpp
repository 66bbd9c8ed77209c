#include "sync/loop.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <utility>

namespace eider::sync {
namespace {

using namespace std::chrono_literals;

}  // namespace

void wait_or_stop(std::chrono::milliseconds time, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, stop, time, [] { return false; });
}

std::chrono::milliseconds backoff(int attempt, double chance) {
    constexpr std::chrono::milliseconds first = 200ms;
    constexpr std::chrono::milliseconds most = 30s;
    const std::int64_t whole = std::min(most.count(), first.count() << std::clamp(attempt - 1, 0, 20));
    return std::chrono::milliseconds(whole / 2 + static_cast<std::int64_t>(static_cast<double>(whole) / 2 * chance));
}

Loop::Loop(LoopOptions options) : options_(std::move(options)) {}

Loop::~Loop() {
    disconnect();
}

void Loop::connect() {
    if (consumer_ != nullptr) return;
    sides_ = options_.connect();
    consumer_ = std::make_unique<Consumer>(*sides_.source, *sides_.lake, options_.consumer, sides_.mirrors.get());
}

void Loop::disconnect() {
    consumer_.reset();       // lets go of the source while it is still connected
    sides_.mirrors.reset();  // before what it works on
    sides_ = {};
}

std::optional<BatchReport> Loop::once() {
    connect();
    consumer_->begin();  // tables of a database that is not this lake's must not be attached
    if (options_.before_batch) options_.before_batch(sides_);
    auto report = consumer_->batch(options_.running);
    if (report && options_.moved) options_.moved(sides_, *report);
    return report;
}

void Loop::until_empty(const std::stop_token& stop) {
    while (!stop.stop_requested() && once()) {
    }
}

void Loop::every(std::chrono::milliseconds interval, const std::stop_token& stop) {
    std::mt19937_64 random{std::random_device{}()};
    std::uniform_real_distribution<double> chance(0, 1);
    int failures = 0;
    while (!stop.stop_requested()) {
        try {
            const auto begun = options_.now();
            once();
            failures = 0;
            const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(options_.now() - begun);
            options_.wait(std::max(interval - taken, 0ms), stop);
        } catch (const Error& error) {
            if (info(error.kind()).recovery == Recovery::stop) throw;
            disconnect();
            const auto pause = backoff(++failures, chance(random));
            if (options_.retrying) options_.retrying(error, pause);
            options_.wait(pause, stop);
        }
    }
}

}  // namespace eider::sync
