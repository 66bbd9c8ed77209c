#include "cli/stop_signals.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

namespace eider::cli {
namespace {

// What the handler may touch: only lock-free things.
std::atomic<int> event = -1;
std::atomic<int> signals_seen = 0;

extern "C" void note_signal(int number) {
    if (signals_seen.fetch_add(1) > 0) ::_exit(128 + number);
    const std::uint64_t one = 1;
    const int saved = errno;
    static_cast<void>(!::write(event, &one, sizeof one));
    errno = saved;
}

void handle(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals() {
    event = ::eventfd(0, EFD_CLOEXEC);
    if (event < 0) throw Error(ErrorKind::internal, fmt::format("no eventfd: {}", std::strerror(errno)));
    signals_seen = 0;
    handle(&note_signal);
    waiter_ = std::jthread([this] {
        std::uint64_t count = 0;
        while (::read(event, &count, sizeof count) < 0 && errno == EINTR) {
        }
        if (signals_seen > 0) source_.request_stop();
    });
}

StopSignals::~StopSignals() {
    handle(SIG_DFL);
    const std::uint64_t one = 1;
    static_cast<void>(!::write(event, &one, sizeof one));
    waiter_.join();
    ::close(event);
}

}  // namespace eider::cli
