#include "base/crash_point.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>

namespace eider {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read once, at start
    return value == nullptr ? "" : value;
}

// A name, and the how-manieth time it counts.
class Armed {
public:
    explicit Armed(const char* variable_name) : name_(variable(variable_name)) {
        if (const auto colon = name_.find(':'); colon != std::string::npos) {
            hits_left_ = std::atoi(name_.c_str() + colon + 1);  // NOLINT(cert-err34-c): a test's own number
            name_.resize(colon);
        }
    }

    bool hit(std::string_view name) { return !name_.empty() && name_ == name && --hits_left_ == 0; }

private:
    std::string name_;
    std::atomic<int> hits_left_{1};
};

void stand_still() {
    const std::filesystem::path folder = variable("EIDER_PAUSE_IN");
    std::ofstream(folder / "reached").close();
    while (!std::filesystem::exists(folder / "go")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace

void crash_point(std::string_view name) {
    static Armed crash("EIDER_CRASH_AT");
    static Armed pause("EIDER_PAUSE_AT");
    if (pause.hit(name)) stand_still();
    if (crash.hit(name)) _exit(137);
}

}  // namespace eider
