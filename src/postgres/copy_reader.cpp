#include "postgres/copy_reader.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/error.h"
#include "postgres/connection.h"

namespace eider::postgres {
namespace {

constexpr std::string_view signature{"PGCOPY\n\377\r\n\0", 11};
constexpr std::size_t fixed_header = signature.size() + 8;  // flags and the length of the extension
constexpr std::int64_t unix_us_of_2000 = 946'684'800'000'000;

[[noreturn]] void corrupt(std::string_view what) {
    throw Error(ErrorKind::corrupt, fmt::format("the COPY stream from PostgreSQL is damaged: {}", what),
                "a proxy or pooler between eider and the server may have changed it: connect directly");
}

template <typename Number>
Number big_endian(std::string_view bytes) {
    std::make_unsigned_t<Number> number = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        number = static_cast<std::make_unsigned_t<Number>>(number << 8 | static_cast<unsigned char>(bytes[i]));
    }
    return static_cast<Number>(number);
}

template <typename Number>
Number number_of(std::string_view field) {
    if (field.size() != sizeof(Number))
        corrupt(fmt::format("a number of {} bytes where {} belong", field.size(), sizeof(Number)));
    return big_endian<Number>(field);
}

}  // namespace

void CopyParser::feed(std::string_view piece) {
    if (rest_.empty()) {
        rest_ = piece;
        return;
    }
    std::string both(rest_);
    both += piece;
    joined_ = std::move(both);
    rest_ = joined_;
}

bool CopyParser::read_header() {
    const std::size_t known = std::min(rest_.size(), signature.size());
    if (rest_.substr(0, known) != signature.substr(0, known))
        corrupt("it does not begin with the signature of binary COPY");
    if (rest_.size() < fixed_header) return false;
    const auto flags = big_endian<std::uint32_t>(rest_.substr(signature.size()));
    if ((flags & 0xFFFF'0000U) != 0) corrupt("unknown critical flags in the header");
    const auto extension = big_endian<std::int32_t>(rest_.substr(signature.size() + 4));
    if (extension < 0) corrupt("a negative header extension");
    if (rest_.size() - fixed_header < static_cast<std::size_t>(extension)) return false;
    rest_.remove_prefix(fixed_header + static_cast<std::size_t>(extension));
    header_read_ = true;
    return true;
}

const std::vector<Field>* CopyParser::next() {
    if (done_) {
        if (!rest_.empty()) corrupt("bytes after the trailer");
        return nullptr;
    }
    if (!header_read_ && (rest_.empty() || !read_header())) return nullptr;
    if (rest_.size() < 2) return nullptr;
    const auto count = big_endian<std::int16_t>(rest_);
    if (count == -1) {
        rest_.remove_prefix(2);
        done_ = true;
        return next();
    }
    if (count < 0) corrupt(fmt::format("a row of {} fields", count));
    std::string_view row = rest_.substr(2);
    fields_.clear();
    for (int i = 0; i < count; ++i) {
        if (row.size() < 4) return nullptr;
        const auto length = big_endian<std::int32_t>(row);
        row.remove_prefix(4);
        if (length == -1) {
            fields_.emplace_back();
            continue;
        }
        if (length < 0) corrupt(fmt::format("a field of {} bytes", length));
        if (row.size() < static_cast<std::size_t>(length)) return nullptr;
        fields_.emplace_back(row.substr(0, static_cast<std::size_t>(length)));
        row.remove_prefix(static_cast<std::size_t>(length));
    }
    rest_ = row;
    return &fields_;
}

void CopyReader::FreeMemory::operator()(char* buffer) const {
    PQfreemem(buffer);
}

CopyReader::~CopyReader() {
    if (ended_ || !connection_->alive()) return;
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel(PQgetCancel(connection_->handle()), PQfreeCancel);
    char message[256];
    if (cancel != nullptr) PQcancel(cancel.get(), message, sizeof message);
    char* buffer = nullptr;
    while (PQgetCopyData(connection_->handle(), &buffer, 0) > 0) PQfreemem(buffer);
    while (PGresult* result = PQgetResult(connection_->handle())) PQclear(result);
}

const std::vector<Field>* CopyReader::next() {
    while (!ended_) {
        if (const auto* fields = parser_.next()) return fields;
        char* buffer = nullptr;
        const int length = PQgetCopyData(connection_->handle(), &buffer, 0);
        if (length < 0) {
            finish();
            break;
        }
        // The parser may still hold a view into the old piece: it is joined before that piece goes.
        const std::unique_ptr<char, FreeMemory> old = std::move(piece_);
        piece_.reset(buffer);
        bytes_ += length;
        parser_.feed({buffer, static_cast<std::size_t>(length)});
    }
    return nullptr;
}

void CopyReader::finish() {
    ended_ = true;
    while (PGresult* result = PQgetResult(connection_->handle())) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            const SqlError error = last_error(*connection_, result);
            PQclear(result);
            while (PGresult* more = PQgetResult(connection_->handle())) PQclear(more);
            throw error;
        }
        PQclear(result);
    }
    if (!parser_.done()) corrupt("it ends before its trailer");
}

std::int16_t int16_of(std::string_view field) {
    return number_of<std::int16_t>(field);
}

std::int32_t int32_of(std::string_view field) {
    return number_of<std::int32_t>(field);
}

std::int64_t int64_of(std::string_view field) {
    return number_of<std::int64_t>(field);
}

std::int64_t unix_us_of(std::string_view field) {
    const std::int64_t us = int64_of(field);
    if (us == std::numeric_limits<std::int64_t>::min() ||
        us > std::numeric_limits<std::int64_t>::max() - unix_us_of_2000)
        return us;
    return us + unix_us_of_2000;
}

}  // namespace eider::postgres
