// `eider sync`: moves what was committed into the lake, once or for ever.
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/text.h"
#include "capture/install.h"
#include "capture/tables.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wiring.h"
#include "sync/loop.h"

namespace eider::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct SyncFlags {
    bool until_empty = false;
    std::int64_t every_ms = 0;
};

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

void print_batch(bool json, const sync::BatchReport& report, double seconds) {
    const auto& moved = report.moved;
    if (json) {
        nlohmann::ordered_json line{{"batch", report.batch},
                                    {"events", moved.events},
                                    {"tables", moved.tables},
                                    {"bytes", moved.bytes},
                                    {"seconds", seconds},
                                    {"lag_s", moved.lag_s},
                                    {"copied_tables", report.copied_tables},
                                    {"copied_rows", report.copied_rows}};
        print(line.dump() + "\n");
        return;
    }
    std::string copied;
    if (report.copied_tables > 0) {
        copied = fmt::format("; copied {} of {}", count_of(report.copied_rows, "row"),
                             count_of(report.copied_tables, "table"));
    }
    print(fmt::format("batch {}: {} of {}, {}, {}, lag {}{}\n", report.batch, count_of(moved.events, "event"),
                      count_of(moved.tables, "table"), human_bytes(moved.bytes), human_seconds(seconds),
                      human_seconds(moved.lag_s), copied));
}

void log_attached(const capture::AttachReport& report) {
    for (const auto& label : report.attached) spdlog::info("attached {}", label);
    for (const auto& label : report.detached) spdlog::info("detached {}", label);
    for (const auto& problem : report.unattached) spdlog::warn("not captured: {}", problem);
}

// The same trouble once a minute, not at each try.
class RetryLog {
public:
    void tell(const Error& error, std::chrono::milliseconds wait) {
        const auto now = Clock::now();
        if (last_ && now - *last_ < 60s) return;
        last_ = now;
        spdlog::warn("{}; trying again in {}", error.what(),
                     human_seconds(std::chrono::duration<double>(wait).count()));
    }
    void all_is_well() { last_.reset(); }

private:
    std::optional<Clock::time_point> last_;
};

// Shows how far a long batch is, from a thread of its own.
class BatchProgress {
public:
    explicit BatchProgress(bool quiet)
        : progress_(quiet), thread_([this](const std::stop_token& stop) { show(stop); }) {}

    std::atomic<std::int64_t>* running() { return &running_; }
    void begin() {
        running_ = 0;
        begun_ = Clock::now();
    }
    void clear() { progress_.clear(); }

private:
    void show(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::this_thread::sleep_for(200ms);
            const std::int64_t events = running_;
            const double seconds = seconds_since(begun_);
            if (events == 0 || seconds < 1) continue;
            progress_.update(
                fmt::format("{}, {}/s", count_of(events, "event"),
                            with_separators(static_cast<std::int64_t>(static_cast<double>(events) / seconds))));
        }
    }

    std::atomic<std::int64_t> running_ = 0;
    std::atomic<Clock::time_point> begun_ = Clock::now();
    Progress progress_;
    std::jthread thread_;
};

int run_sync(Context& context, const SyncFlags& flags) {
    const Config config = context.load_config();
    const std::stop_token stop = context.stop();
    capture::TableWatch tables(config);
    RetryLog retries;
    BatchProgress progress(context.quiet || context.json);
    Clock::time_point begun = Clock::now();

    sync::Loop loop({.consumer = config.consumer,
                     .connect =
                         [&] {
                             auto source = std::make_unique<capture::PostgresSource>(source_options(config));
                             capture::check_server(source->connection());
                             capture::check_installation(source->connection());
                             auto lake = std::make_unique<lake::DuckLake>(lake_options(config), lake::Access::write);
                             std::unique_ptr<mirror::Mirrors> mirrors;
                             if (config.keeps_mirrors())
                                 mirrors = std::make_unique<mirror::Mirrors>(*source, *lake, config);
                             return sync::Sides{
                                 .source = std::move(source), .lake = std::move(lake), .mirrors = std::move(mirrors)};
                         },
                     .before_batch =
                         [&](sync::Sides& sides) {
                             begun = Clock::now();
                             progress.begin();
                             auto& source = static_cast<capture::PostgresSource&>(*sides.source);
                             if (config.capture.attach_new) log_attached(tables.look(source.connection()));
                         },
                     .moved =
                         [&](sync::Sides&, const sync::BatchReport& report) {
                             progress.clear();
                             retries.all_is_well();
                             print_batch(context.json, report, seconds_since(begun));
                         },
                     .retrying = [&](const Error& error, std::chrono::milliseconds wait) { retries.tell(error, wait); },
                     .running = progress.running()});

    if (flags.every_ms > 0) {
        loop.every(std::chrono::milliseconds(flags.every_ms), stop);
    } else if (flags.until_empty) {
        loop.until_empty(stop);
    } else if (!loop.once()) {
        print(context.json ? "{\"events\":0}\n" : "nothing to move\n");
    }
    return 0;
}

}  // namespace

void add_sync(CLI::App& app, Context& context) {
    CLI::App* command =
        add_command(app, "sync", "Move committed changes into the lake",
                    "eider sync                  # one batch\n  eider sync --until-empty    # until nothing is left\n"
                    "  eider sync --every 1s       # until Ctrl-C");
    auto flags = std::make_shared<SyncFlags>();
    auto* until_empty =
        command->add_flag("--until-empty", flags->until_empty, "Batch after batch until nothing is left");
    command->add_option("--every", flags->every_ms, "Look again and again, at this interval, until SIGINT or SIGTERM")
        ->type_name("TIME")
        ->transform(CLI::AsNumberWithUnit(
            std::map<std::string, std::int64_t>{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}},
            CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME"))
        ->check(CLI::PositiveNumber)
        ->excludes(until_empty);
    on_run(command, context, [&context, flags] { return run_sync(context, *flags); });
}

}  // namespace eider::cli
