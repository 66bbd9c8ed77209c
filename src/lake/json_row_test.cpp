#include "lake/json_row.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eider::lake {
namespace {

// A row as "name=kind:text", kinds by their first letter, escapes marked with !.
std::vector<std::string> fields_of(std::string_view text) {
    std::vector<JsonField> fields;
    if (!read_object(text, fields)) return {"refused"};
    std::vector<std::string> shown;
    for (const auto& [name, name_has_escapes, value] : fields) {
        shown.push_back(std::string(name) + (name_has_escapes ? "!=" : "=") + "lbnso"[static_cast<int>(value.kind)] +
                        (value.has_escapes ? "!:" : ":") + std::string(value.text));
    }
    return shown;
}

std::vector<std::string> elements_of(std::string_view text) {
    std::vector<JsonValue> elements;
    if (!read_array(text, elements)) return {"refused"};
    std::vector<std::string> shown;
    for (const auto& value : elements) shown.emplace_back(value.text);
    return shown;
}

std::string unescaped(std::string_view text) {
    std::string out = "what was there before";
    return unescape(text, out) ? out : "refused";
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(JsonRow, IsTakenApartAtItsTopLevel) {
    EXPECT_THAT(fields_of(R"({"id":1,"a b":"text","c":null,"d":true,"e":false,"f":[1,{"x":"]}"}],"g":{"id":[]}})"),
                ElementsAre("id=n:1", "a b=s:text", "c=l:null", "d=b:true", "e=b:false", R"(f=o:[1,{"x":"]}"}])",
                            R"(g=o:{"id":[]})"));
}

TEST(JsonRow, MayHaveBlanksBetweenItsParts) {
    EXPECT_THAT(fields_of(" \t\r\n{ \"a\" :\n1 , \"b\"\t: [ 1 , 2 ]\r} \n"), ElementsAre("a=n:1", "b=o:[ 1 , 2 ]"));
    EXPECT_THAT(fields_of("{}"), IsEmpty());
    EXPECT_THAT(fields_of(" { } "), IsEmpty());
    EXPECT_THAT(elements_of("[]"), IsEmpty());
    EXPECT_THAT(elements_of(" [ 1 ,\"a\", null,[] ] "), ElementsAre("1", "a", "null", "[]"));
}

TEST(JsonRow, KeepsEveryDigitOfANumber) {
    const std::string digits = "-12345678901234567890123456789012345678.000000000000000000001";
    EXPECT_THAT(fields_of("{\"n\":" + digits + "}"), ElementsAre("n=n:" + digits));
    for (const char* number : {"0", "-0", "-0.0", "10", "1e+38", "5e-324", "1E5", "0.5", "1.7976931348623157e+308"}) {
        EXPECT_THAT(elements_of(std::string("[") + number + "]"), ElementsAre(number));
    }
}

TEST(JsonRow, KeepsEscapesAsTheyStandAndSaysThatThereAreSome) {
    EXPECT_THAT(fields_of(R"({"a\"":"b\\","c":"d\\\"e","f":"\u0041"})"),
                ElementsAre(R"(a\"!=s!:b\\)", R"(c=s!:d\\\"e)", R"(f=s!:\u0041)"));
}

// Each byte that ends a run, at each place of a word and beyond: the loop reads eight bytes at a time.
TEST(JsonRow, EndsAStringWhereItsQuoteIsAtEveryLength) {
    for (std::size_t length = 0; length < 40; ++length) {
        for (const std::string filler : {"x", "\x7f", "\xc3\xbc", "\xff", "!", "#", "]", " "}) {
            std::string text;
            while (text.size() < length) text += filler;
            EXPECT_THAT(fields_of("{\"" + text + "\":\"" + text + "\",\"b\":[\"" + text + "\"]}"),
                        ElementsAre(text + "=s:" + text, "b=o:[\"" + text + "\"]"));
            EXPECT_THAT(elements_of("[\"" + text + "\\\"\",1]"), ElementsAre(text + "\\\"", "1"));
            EXPECT_THAT(elements_of("[\"" + text + "\n\"]"), ElementsAre("refused"));
            EXPECT_THAT(elements_of("[{\"a\":\"" + text + "\"},[" + std::string(length, ' ') + "]]"),
                        ElementsAre("{\"a\":\"" + text + "\"}", "[" + std::string(length, ' ') + "]"));
        }
    }
}

TEST(JsonRow, IsNoTrapWhenItIsDeep) {
    const std::string deep = std::string(2'000'000, '[') + std::string(2'000'000, ']');
    EXPECT_THAT(fields_of("{\"a\":" + deep + "}"), ElementsAre("a=o:" + deep));
    EXPECT_THAT(fields_of("{\"a\":" + deep.substr(1) + "}"), ElementsAre("refused"));
    EXPECT_THAT(fields_of("{\"a\":" + std::string(1'000'000, '[') + "}"), ElementsAre("refused"));
}

TEST(JsonRow, KeepsAMegabyteOfText) {
    const std::string text(1'000'000, 'x');
    EXPECT_THAT(fields_of("{\"a\":\"" + text + "\"}"), ElementsAre("a=s:" + text));
}

TEST(JsonRow, IsRefusedWhereItIsNone) {
    for (const char* text : {"",           " ",           "{",           "}",
                             "[",          "{]",          "[}",          "{\"a\"}",
                             "{\"a\":}",   "{\"a\":1,}",  "{,}",         "{\"a\":1 \"b\":2}",
                             "{\"a\":1}x", "{\"a\":1}{}", "{a:1}",       "{'a':1}",
                             "{\"a:1}",    "{\"a\":\"}",  "{\"a\":\"\\", "{\"a\":\"\\\"}",
                             "{\"a\":[1}", "{\"a\":[1}]", "{\"a\":{]}",  "{1:1}",
                             "[1]",        "null",        "1",           "\"a\""}) {
        EXPECT_THAT(fields_of(text), ElementsAre("refused")) << text;
    }
    for (const char* text : {"",      "[",          "]",        "[1",       "[1,",   "[1,]",   "[,1]",       "[1 2]",
                             "[1]]",  "[1}",        "[01]",     "[-]",      "[+1]",  "[.5]",   "[1.]",       "[1e]",
                             "[1e+]", "[--1]",      "[1x]",     "[0x1]",    "[tru]", "[True]", "[nul",       "[nulll]",
                             "[NaN]", "[Infinity]", "[\"a\"b]", "[\"\t\"]", "{}",    "[[]",    "[{\"a\":1]]"}) {
        EXPECT_THAT(elements_of(text), ElementsAre("refused")) << text;
    }
    EXPECT_THAT(elements_of(std::string_view("[1\0]", 4)), ElementsAre("refused"));
}

TEST(JsonValue, IsOneAndNoMore) {
    JsonValue value;
    ASSERT_TRUE(read_json(" \"a\\n\" ", value));
    EXPECT_EQ(value.kind, JsonKind::string);
    EXPECT_EQ(value.text, "a\\n");
    EXPECT_TRUE(value.has_escapes);
    ASSERT_TRUE(read_json(" null", value));
    EXPECT_EQ(value.kind, JsonKind::null);
    EXPECT_FALSE(value.has_escapes);
    ASSERT_TRUE(read_json("\t{\"a\": 1}\n", value));
    EXPECT_EQ(value.kind, JsonKind::nested);
    EXPECT_EQ(value.text, "{\"a\": 1}");
    for (const char* text : {"", " ", "1 2", "1,", "\"", "{", "truefalse"})
        EXPECT_FALSE(read_json(text, value)) << text;
}

TEST(Unescape, KnowsAllEscapesOfJson) {
    EXPECT_EQ(unescaped(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
    EXPECT_EQ(unescaped(R"(a\u0041\u00fc\u20AC\uffff)"), "aA\u00fc\u20ac\uffff");
    EXPECT_EQ(unescaped("größe 🦆"), "größe 🦆");
    EXPECT_EQ(unescaped(""), "");
    EXPECT_EQ(unescaped(R"(\u0000x)"), std::string("\0x", 2));
    EXPECT_EQ(unescaped(R"(\\x00ff)"), "\\x00ff");
}

TEST(Unescape, JoinsSurrogatesAndReplacesHalfOnes) {
    EXPECT_EQ(unescaped(R"(\ud83e\udd86)"), "🦆");
    EXPECT_EQ(unescaped(R"(\uDBFF\uDFFF)"), "\U0010FFFF");
    EXPECT_EQ(unescaped(R"(\ud83e)"), "\ufffd");
    EXPECT_EQ(unescaped(R"(\udd86\ud83e)"), "\ufffd\ufffd");
    EXPECT_EQ(unescaped(R"(\ud83ex\n)"), "\ufffdx\n");
    EXPECT_EQ(unescaped(R"(\ud83e\u0041)"), "\ufffdA");
    EXPECT_EQ(unescaped(R"(\ud83e\ud83e\udd86)"), "\ufffd🦆");
}

TEST(Unescape, RefusesEscapesThatJsonDoesNotHave) {
    for (const char* text : {"\\", "a\\", "\\x41", "\\'", "\\u", "\\u004", "\\u004g", "\\u-041", "\\u+041", "\\u 041",
                             "\\U0041", "\\0", "\\ud83e\\u", "\\ud83e\\udd8"}) {
        EXPECT_EQ(unescaped(text), "refused") << text;
    }
}

}  // namespace
}  // namespace eider::lake
