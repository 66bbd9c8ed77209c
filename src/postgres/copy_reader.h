// Reads the rows of `COPY ... TO STDOUT (FORMAT binary)`, one at a time.
//
// Format: PostgreSQL documentation, COPY, "Binary Format": an 11-byte signature, flags, an extension, then
// rows of a 16-bit field count and length-prefixed fields, then a count of -1. All numbers big-endian.
// Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eider::postgres {

class Connection;

// A field's bytes; nullopt is NULL.
using Field = std::optional<std::string_view>;

// Splits the bytes of a COPY stream into rows; knows nothing of a connection, so that it can be fuzzed.
// Each piece given must hold whole rows, which is how the server sends them: one CopyData message a row
// (the first may hold the header too). PostgreSQL documentation, "COPY Operations", promises no boundaries,
// so a piece that ends inside a row is kept and joined with the next.
class CopyParser {
public:
    // Takes the next piece. It must stay valid until the last row of it was read.
    void feed(std::string_view piece);

    // The next row's fields, valid until the next call of `feed`; nullptr when another piece is needed or the
    // trailer was read. Throws Error(corrupt) for bytes that are not of the format.
    const std::vector<Field>* next();

    // Whether the trailer was read.
    bool done() const { return done_; }

private:
    bool read_header();

    std::string_view rest_;  // what of the current piece is not read yet
    std::string joined_;     // a row cut by the end of a piece, with what came after
    std::vector<Field> fields_;
    bool header_read_ = false;
    bool done_ = false;
};

class CopyReader {
public:
    // The connection must have just answered with PGRES_COPY_OUT, and must outlive the reader.
    explicit CopyReader(Connection& connection) : connection_(&connection) {}
    // A reader dropped before its end cancels the COPY.
    ~CopyReader();
    CopyReader(const CopyReader&) = delete;
    CopyReader& operator=(const CopyReader&) = delete;

    // The next row, valid until the next call; nullptr at the end.
    // Throws Error: source_lost, source_rejected (the statement failed half way), corrupt.
    const std::vector<Field>* next();

    // Bytes received so far, as sent by the server.
    std::int64_t bytes() const { return bytes_; }

private:
    void finish();

    struct FreeMemory {
        void operator()(char* buffer) const;
    };
    Connection* connection_;
    std::unique_ptr<char, FreeMemory> piece_;
    CopyParser parser_;
    std::int64_t bytes_ = 0;
    bool ended_ = false;
};

// Decoders of single fields in binary form. Throw Error(corrupt) when the length is wrong.
std::int16_t int16_of(std::string_view field);
std::int32_t int32_of(std::string_view field);
std::int64_t int64_of(std::string_view field);

// Microseconds from 1970-01-01 UTC of a binary timestamptz (which counts from 2000-01-01); infinities are kept
// as the smallest and largest number.
std::int64_t unix_us_of(std::string_view field);

}  // namespace eider::postgres
