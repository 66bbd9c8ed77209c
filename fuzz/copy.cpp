// Any bytes as a COPY stream: rows or an Error(corrupt), and the same ones when the stream comes in two pieces.
//
// The first two bytes of the input choose the cut, the rest is the stream. Each piece stands in memory of its own that
// goes as soon as it may, so that the address sanitizer sees a view that outlives it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "postgres/copy_reader.h"

namespace {

struct Outcome {
    std::vector<std::vector<std::optional<std::string>>> rows;
    bool is_done = false;
    bool is_corrupt = false;
    bool operator==(const Outcome&) const = default;
};

Outcome read(const std::vector<std::string_view>& pieces) {
    Outcome outcome;
    eider::postgres::CopyParser parser;
    std::unique_ptr<std::string> held;
    try {
        for (const std::string_view piece : pieces) {
            auto next = std::make_unique<std::string>(piece);
            parser.feed(*next);
            held = std::move(next);
            while (const auto* fields = parser.next()) {
                auto& row = outcome.rows.emplace_back();
                for (const auto& field : *fields)
                    row.push_back(field ? std::optional<std::string>(*field) : std::nullopt);
            }
        }
    } catch (const eider::Error& error) {
        if (error.kind() != eider::ErrorKind::corrupt) std::abort();
        outcome.is_corrupt = true;
    }
    outcome.is_done = parser.done();
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t cut = (std::size_t{data[0]} << 8 | data[1]) % (stream.size() + 1);
    if (read({stream}) != read({stream.substr(0, cut), stream.substr(cut)})) std::abort();
    return 0;
}
