#include "postgres/copy_reader.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::postgres {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Row = std::vector<std::optional<std::string>>;

template <typename Number>
std::string bytes_of(Number number) {
    std::string bytes;
    for (int shift = 8 * (sizeof(Number) - 1); shift >= 0; shift -= 8)
        bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> shift);
    return bytes;
}

std::string header(std::uint32_t flags = 0, const std::string& extension = "") {
    return std::string("PGCOPY\n\377\r\n\0", 11) + bytes_of(flags) +
           bytes_of(static_cast<std::int32_t>(extension.size())) + extension;
}

std::string row_of(const Row& fields) {
    std::string bytes = bytes_of(static_cast<std::int16_t>(fields.size()));
    for (const auto& field : fields) {
        bytes += bytes_of(field ? static_cast<std::int32_t>(field->size()) : -1);
        bytes += field.value_or("");
    }
    return bytes;
}

const std::string trailer = bytes_of(std::int16_t{-1});

// Takes the rows that are there, as a caller would: each before the next is asked for.
void drain(CopyParser& parser, std::vector<Row>& rows) {
    while (const auto* fields = parser.next()) {
        Row& row = rows.emplace_back();
        for (const auto& field : *fields) row.push_back(field ? std::optional<std::string>(*field) : std::nullopt);
    }
}

// The rows of pieces that come one after the other, each in memory of its own that goes when the next is fed.
std::vector<Row> rows_of(const std::vector<std::string>& pieces) {
    CopyParser parser;
    std::vector<Row> rows;
    std::unique_ptr<std::string> held;
    for (const auto& piece : pieces) {
        auto next = std::make_unique<std::string>(piece);
        parser.feed(*next);
        held = std::move(next);
        drain(parser, rows);
    }
    EXPECT_TRUE(parser.done());
    return rows;
}

void expect_corrupt(const std::vector<std::string>& pieces, const std::string& what) {
    CopyParser parser;
    std::vector<Row> rows;
    try {
        for (const auto& piece : pieces) {
            parser.feed(piece);
            drain(parser, rows);
        }
        ADD_FAILURE() << "accepted: " << what;
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::corrupt) << what;
        EXPECT_FALSE(error.hint().empty()) << what;
    }
}

const std::vector<Row> telling_rows{
    {"1", std::nullopt, ""},
    {"", "", ""},
    {std::nullopt, std::nullopt, std::nullopt},
    {"PGCOPY\n\377\r\n", trailer + trailer, std::string(3, '\0')},
    {R"({"name": "größe 🦆"})"},
    {},
    {std::string(300, 'x'), "y"},
};

std::string telling_stream() {
    std::string bytes = header();
    for (const auto& row : telling_rows) bytes += row_of(row);
    return bytes + trailer;
}

TEST(CopyParser, ReadsNullsAndEmptyFieldsAsDifferentThings) {
    EXPECT_THAT(rows_of({header() + row_of({std::nullopt, "", "x"}) + trailer}),
                ElementsAre(Row{std::nullopt, "", "x"}));
}

TEST(CopyParser, ReadsSeveralRowsOfOnePiece) {
    EXPECT_EQ(rows_of({telling_stream()}), telling_rows);
}

TEST(CopyParser, ReadsOneRowAPieceAsTheServerSendsThem) {
    std::vector<std::string> pieces{header()};
    for (const auto& row : telling_rows) pieces.push_back(row_of(row));
    pieces.push_back(trailer);
    EXPECT_EQ(rows_of(pieces), telling_rows);
}

TEST(CopyParser, GivesTheSameRowsWhereverAPieceEnds) {
    const std::string stream = telling_stream();
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        ASSERT_EQ(rows_of({stream.substr(0, cut), stream.substr(cut)}), telling_rows) << "cut at byte " << cut;
    }
}

TEST(CopyParser, GivesTheSameRowsByteByByte) {
    std::vector<std::string> pieces;
    for (const char byte : telling_stream()) pieces.emplace_back(1, byte);
    EXPECT_EQ(rows_of(pieces), telling_rows);
}

TEST(CopyParser, KeepsARowUntilTheNextPieceThoughTheOldPieceIsGone) {
    CopyParser parser;
    auto first = std::make_unique<std::string>(header() + row_of({"first"}).substr(0, 8));
    auto second = std::make_unique<std::string>(row_of({"first"}).substr(8));
    parser.feed(*first);
    EXPECT_EQ(parser.next(), nullptr);
    parser.feed(*second);
    first.reset();
    second.reset();
    const auto* fields = parser.next();
    ASSERT_NE(fields, nullptr);
    EXPECT_EQ(fields->at(0), "first");
}

TEST(CopyParser, SkipsAnExtensionOfTheHeaderAndFlagsThatAreNotCritical) {
    EXPECT_THAT(rows_of({header(0x0000'FFFF, "something new") + row_of({"x"}) + trailer}), ElementsAre(Row{"x"}));
}

TEST(CopyParser, ReadsAStreamWithoutRows) {
    EXPECT_THAT(rows_of({header() + trailer}), IsEmpty());
}

TEST(CopyParser, RefusesAnotherSignature) {
    expect_corrupt({"PGCOPY\n\377\n" + telling_stream().substr(10)}, "line ends changed on the way");
    expect_corrupt({"1\tx\n"}, "text format");
    expect_corrupt({"Q"}, "one wrong byte is enough");
    expect_corrupt({"P", "GCOPX"}, "a wrong byte in the second piece");
}

TEST(CopyParser, RefusesCriticalFlagsAndANegativeExtension) {
    expect_corrupt({header(0x0001'0000)}, "the old flag for object ids");
    expect_corrupt({header(0x8000'0000)}, "the highest flag");
    expect_corrupt({header().substr(0, 15) + bytes_of(std::int32_t{-1})}, "a negative extension");
}

TEST(CopyParser, RefusesNegativeCountsAndLengths) {
    expect_corrupt({header() + bytes_of(std::int16_t{-2})}, "a row of -2 fields");
    expect_corrupt({header() + bytes_of(std::numeric_limits<std::int16_t>::min())}, "the most negative count");
    expect_corrupt({header() + bytes_of(std::int16_t{1}) + bytes_of(std::int32_t{-2})}, "a field of -2 bytes");
    expect_corrupt({header() + bytes_of(std::int16_t{1}) + bytes_of(std::numeric_limits<std::int32_t>::min())},
                   "the most negative length");
}

TEST(CopyParser, IsNotDoneWhereTheStreamEndsTooEarly) {
    const std::string stream = telling_stream();
    for (std::size_t length = 0; length < stream.size(); ++length) {
        CopyParser parser;
        std::vector<Row> rows;
        parser.feed(std::string_view(stream).substr(0, length));
        drain(parser, rows);
        EXPECT_FALSE(parser.done()) << length << " bytes";
    }
}

TEST(CopyParser, AsksForMoreForAFieldThatIsLongerThanWhatIsThere) {
    CopyParser parser;
    const std::string bytes =
        header() + bytes_of(std::int16_t{1}) + bytes_of(std::numeric_limits<std::int32_t>::max()) + "x";
    parser.feed(bytes);
    EXPECT_EQ(parser.next(), nullptr);
    EXPECT_FALSE(parser.done());
}

TEST(CopyParser, RefusesBytesAfterTheTrailer) {
    expect_corrupt({header() + trailer + "x"}, "in the same piece");
    expect_corrupt({header() + trailer, "x"}, "in a piece of their own");
    expect_corrupt({header() + trailer + trailer}, "a second trailer");
}

TEST(CopyParser, StaysAtItsEnd) {
    CopyParser parser;
    const std::string bytes = header() + trailer;
    parser.feed(bytes);
    EXPECT_EQ(parser.next(), nullptr);
    EXPECT_EQ(parser.next(), nullptr);
    EXPECT_TRUE(parser.done());
}

TEST(CopyFields, NumbersAreBigEndian) {
    EXPECT_EQ(int16_of(std::string_view("\x01\x02", 2)), 0x0102);
    EXPECT_EQ(int16_of("\xff\xfe"), -2);
    EXPECT_EQ(int32_of("\x01\x02\x03\x04"), 0x0102'0304);
    EXPECT_EQ(int32_of("\xff\xff\xff\xff"), -1);
    EXPECT_EQ(int64_of("\x01\x02\x03\x04\x05\x06\x07\x08"), 0x0102'0304'0506'0708);
    EXPECT_EQ(int64_of(bytes_of(std::numeric_limits<std::int64_t>::min())), std::numeric_limits<std::int64_t>::min());
}

TEST(CopyFields, RefuseANumberOfAnotherLength) {
    EXPECT_THROW(int16_of("\x01"), Error);
    EXPECT_THROW(int32_of(""), Error);
    EXPECT_THROW(int32_of("\x01\x02\x03\x04\x05"), Error);
    EXPECT_THROW(int64_of("\x01\x02\x03\x04"), Error);
    EXPECT_THROW(unix_us_of("\x01\x02\x03\x04"), Error);
}

TEST(CopyFields, TimesCountFrom1970) {
    EXPECT_EQ(unix_us_of(bytes_of(std::int64_t{0})), 946'684'800'000'000);                      // 2000-01-01
    EXPECT_EQ(unix_us_of(bytes_of(std::int64_t{-946'684'800'000'000})), 0);                     // 1970-01-01
    EXPECT_EQ(unix_us_of(bytes_of(std::int64_t{757'382'400'000'000})), 1'704'067'200'000'000);  // 2024-01-01
}

TEST(CopyFields, InfiniteTimesStayTheSmallestAndLargestNumber) {
    for (const std::int64_t infinity :
         {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
        EXPECT_EQ(unix_us_of(bytes_of(infinity)), infinity);
    }
}

}  // namespace
}  // namespace eider::postgres
