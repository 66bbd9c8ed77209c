// Any text as eider.toml, and its lines as environment: an Error(config) or a Config, nothing else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto try_one = [](std::string_view file, const eider::Environment& environment) {
        try {
            const eider::Config config = eider::parse_config(file, "eider.toml", environment, {}, "/work");
            static_cast<void>(config.captures("shop", "orders"));
            static_cast<void>(config.options_for("shop", "orders"));
        } catch (const eider::Error& error) {
            if (error.kind() != eider::ErrorKind::config) std::abort();
        }
    };
    try_one(text, {});
    for (const auto& setting : eider::settings()) {
        try_one("", {{std::string(setting.env), std::string(text.substr(0, 4096))}});
    }
    // What eider writes for any source, it reads.
    const std::string written = eider::config_file_text({.source = std::string(text)});
    try_one(written, {});
    return 0;
}
