// One captured change, as it travels from a slot of the source to the log of the lake.
//
// Threads: an EventStream is used by one thread at a time; several streams may be read at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace eider {

// Views into the stream's buffer: valid until the next call of EventStream::next.
struct Event {
    std::int64_t seq = 0;    // draws order the versions of one key, see docs/protocol.md
    std::uint64_t xid = 0;   // xid8 of the top-level transaction
    std::int64_t ts_us = 0;  // start of that transaction, microseconds since 1970-01-01 UTC
    char op = 'I';           // I, U, D, T (truncate)
    bool nested = false;     // captured inside a trigger of another statement
    std::uint32_t rel = 0;   // oid of the table under which it is reported
    std::string_view table_schema;
    std::string_view table_name;
    std::optional<std::string_view> data;     // the row as JSON; absent for T
    std::optional<std::string_view> before;   // the row before an update, where asked for
    std::optional<std::string_view> context;  // JSON, where asked for
};

// A part of one batch. Reads ahead as little as it can: memory stays flat however large the batch.
class EventStream {
public:
    virtual ~EventStream() = default;
    // The next event, or nullptr at the end. Throws Error (source_lost, corrupt ...).
    virtual const Event* next() = 0;
};

using EventStreams = std::vector<std::unique_ptr<EventStream>>;

}  // namespace eider
