// Batches again and again: until nothing is left, or for ever, through outages of source and catalog.
//
// Guarantees: the only place that decides from an error's kind whether to try again (base/error.h, Recovery). After
// an error both sides are connected anew, so that nothing half-broken is used again. A stop is honoured between
// batches: the running one is finished.
// Threads: one thread; `stop` may be requested from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "capture/source.h"
#include "lake/lake.h"
#include "sync/batch.h"

namespace eider::sync {

struct Sides {
    std::unique_ptr<capture::Source> source;
    std::unique_ptr<lake::Lake> lake;
    std::unique_ptr<mirror::Mirrors> mirrors = nullptr;  // of these two; null: none are kept
};

// Returns after `time`, or at a stop.
void wait_or_stop(std::chrono::milliseconds time, const std::stop_token& stop);

struct LoopOptions {
    std::string consumer;
    // Connects both sides. Called at the start and after each error.
    std::function<Sides()> connect;
    // Called before each look for changes, for what belongs to a sync besides the batch: attaching new tables.
    std::function<void(Sides&)> before_batch;
    // Called after each batch.
    std::function<void(Sides&, const BatchReport&)> moved;
    // Called when a try failed and another follows after `wait`.
    std::function<void(const Error&, std::chrono::milliseconds wait)> retrying;
    std::atomic<std::int64_t>* running = nullptr;  // see Consumer::batch
    // How time passes. Tests put their own in its place.
    std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
    std::function<void(std::chrono::milliseconds, const std::stop_token&)> wait = wait_or_stop;
};

class Loop {
public:
    explicit Loop(LoopOptions options);
    ~Loop();

    // One try: one batch, or nullopt when there was nothing to move. Throws every error.
    std::optional<BatchReport> once();

    // Until nothing is left, or a stop. Throws every error.
    void until_empty(const std::stop_token& stop);

    // Looks every `interval` (at once, where a batch took longer) until a stop. Throws only errors that waiting cannot mend.
    void every(std::chrono::milliseconds interval, const std::stop_token& stop);

private:
    void connect();
    void disconnect();

    LoopOptions options_;
    Sides sides_;
    std::unique_ptr<Consumer> consumer_;
};

// How long to wait before try number `attempt` (from 1): doubling from 0.2 s to 30 s, half of it by chance, so that many
// processes do not come back at the same moment.
std::chrono::milliseconds backoff(int attempt, double chance);

}  // namespace eider::sync
