#include "base/text.h"

#include <limits>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace eider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Quoting, DoublesTheQuotesOfItsKindAndNothingElse) {
    EXPECT_EQ(quote_ident("orders"), R"("orders")");
    EXPECT_EQ(quote_ident(R"(a"b'c\d)"), R"("a""b'c\d")");
    EXPECT_EQ(quote_ident(""), R"("")");
    EXPECT_EQ(quote_literal("it's"), "'it''s'");
    EXPECT_EQ(quote_literal(R"(''"\)"), R"('''''"\')");
    EXPECT_EQ(quote_literal("größe 🦆"), "'größe 🦆'");
}

TEST(Quoting, KeepsBytesThatAreNoText) {
    const std::string bytes{"a\0b\xff", 4};
    EXPECT_EQ(quote_literal(bytes), "'" + bytes + "'");
}

TEST(Fill, ReplacesEachPlaceEvenOfTheSameKey) {
    EXPECT_EQ(fill("{{a}} {{b}} {{a}}", {{"a", "1"}, {"b", "2"}}), "1 2 1");
    EXPECT_EQ(fill("no place", {}), "no place");
    EXPECT_EQ(fill("", {}), "");
}

TEST(Fill, DoesNotLookIntoTheValuesItPutsIn) {
    EXPECT_EQ(fill("{{a}}-{{b}}", {{"a", "{{b}}"}, {"b", "}}{{a"}}), "{{b}}-}}{{a");
}

TEST(Fill, LeavesSingleBracesAlone) {
    EXPECT_EQ(fill("'{\"k\": {}}' {{a}}", {{"a", "x"}}), "'{\"k\": {}}' x");
}

TEST(Fill, RefusesAPlaceWithoutAValueOrWithoutAnEnd) {
    for (const char* sql : {"{{b}}", "{{a", "x {{a} y", "{{}}", "{{ a }}"}) {
        try {
            const std::string filled = fill(sql, {{"a", "1"}});
            ADD_FAILURE() << sql << " became " << filled;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::internal) << sql;
        }
    }
}

TEST(Glob, StarMatchesAnyRunOfBytes) {
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("*", "anything"));
    EXPECT_TRUE(glob_matches("a*c", "ac"));
    EXPECT_TRUE(glob_matches("a*c", "abcabc"));
    EXPECT_TRUE(glob_matches("*b*", "abc"));
    EXPECT_TRUE(glob_matches("**", "x"));
    EXPECT_FALSE(glob_matches("a*c", "abcd"));
    EXPECT_FALSE(glob_matches("*b", "abc"));
}

TEST(Glob, QuestionMarkMatchesExactlyOneByte) {
    EXPECT_TRUE(glob_matches("a?c", "abc"));
    EXPECT_FALSE(glob_matches("a?c", "ac"));
    EXPECT_FALSE(glob_matches("?", ""));
    EXPECT_TRUE(glob_matches("??", "ü"));
    EXPECT_TRUE(glob_matches("*?", "x"));
    EXPECT_FALSE(glob_matches("*?", ""));
}

TEST(Glob, WithoutWildcardsIsEquality) {
    EXPECT_TRUE(glob_matches("orders", "orders"));
    EXPECT_TRUE(glob_matches("", ""));
    EXPECT_FALSE(glob_matches("", "x"));
    EXPECT_FALSE(glob_matches("x", ""));
    EXPECT_FALSE(glob_matches("orders", "Orders"));
    EXPECT_FALSE(glob_matches("[ab]", "a"));
}

TEST(Glob, StarBacktracksToALaterPlace) {
    EXPECT_TRUE(glob_matches("*ab*ab", "abxabab"));
    EXPECT_TRUE(glob_matches("a*b?c*d", "aXbYbZcWd"));
    EXPECT_FALSE(glob_matches("*ab*ab", "abxba"));
}

// With naive recursion this takes longer than the universe; it must be done before the test's timeout.
TEST(Glob, ManyStarsAreNoTrap) {
    std::string pattern;
    for (int i = 0; i < 200; ++i) pattern += "a*";
    EXPECT_FALSE(glob_matches(pattern + "b", std::string(5000, 'a')));
    EXPECT_TRUE(glob_matches(pattern, std::string(5000, 'a')));
}

TEST(Closest, FindsATypingError) {
    EXPECT_EQ(closest("catalgo", {"source", "catalog", "data_path"}), "catalog");
    EXPECT_EQ(closest("xatalog", {"catalog"}), "catalog");
    EXPECT_EQ(closest("ab", {"ac"}), "ac");
}

TEST(Closest, IsSilentWhereNothingIsNear) {
    EXPECT_EQ(closest("interval", {"source", "catalog"}), "");
    EXPECT_EQ(closest("abcdef", {"abcxyz"}), "");
    EXPECT_EQ(closest("x", {}), "");
    EXPECT_EQ(closest("", {"source"}), "");
}

TEST(Closest, PrefersTheNearestAndThenTheFirst) {
    EXPECT_EQ(closest("tables", {"taples", "tables"}), "tables");
    EXPECT_EQ(closest("tabxes", {"tables", "tabxxs"}), "tables");
}

struct Shown {
    const char* given;
    const char* redacted;
    const char* without;
};

class ConnectionString : public testing::TestWithParam<Shown> {};

TEST_P(ConnectionString, LosesItsPasswordsAndNothingElse) {
    EXPECT_EQ(redact(GetParam().given), GetParam().redacted);
    EXPECT_EQ(without_password(GetParam().given), GetParam().without);
}

INSTANTIATE_TEST_SUITE_P(
    Uri, ConnectionString,
    testing::Values(
        Shown{"postgresql://u:pw@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
        Shown{"postgres://u:pw@h:5432/db?sslmode=require", "postgres://u:***@h:5432/db?sslmode=require",
              "postgres://u@h:5432/db?sslmode=require"},
        Shown{"postgresql://u@h:5432/db", "postgresql://u@h:5432/db", "postgresql://u@h:5432/db"},
        Shown{"postgresql://h:5432/db", "postgresql://h:5432/db", "postgresql://h:5432/db"},
        Shown{"postgresql://", "postgresql://", "postgresql://"},
        Shown{"postgresql:///db?host=/run/postgresql", "postgresql:///db?host=/run/postgresql",
              "postgresql:///db?host=/run/postgresql"},
        Shown{"postgresql://:pw@h/db", "postgresql://:***@h/db", "postgresql://@h/db"},
        Shown{"postgresql://u:@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
        Shown{"postgresql://u%40x:p%3A%40%2Fw@h/db", "postgresql://u%40x:***@h/db", "postgresql://u%40x@h/db"},
        Shown{"postgresql://u:pw@h1:5432,h2:5433/db", "postgresql://u:***@h1:5432,h2:5433/db",
              "postgresql://u@h1:5432,h2:5433/db"},
        Shown{"postgresql://u:pw@[::1]:5432/db", "postgresql://u:***@[::1]:5432/db", "postgresql://u@[::1]:5432/db"},
        Shown{"postgresql://h:5432/db?options=-c%20a=b@c", "postgresql://h:5432/db?options=-c%20a=b@c",
              "postgresql://h:5432/db?options=-c%20a=b@c"}));

INSTANTIATE_TEST_SUITE_P(
    UriWithAPasswordNobodyEncoded, ConnectionString,
    testing::Values(Shown{"postgresql://u:p@w@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:p:w@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:p/w@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:p@/w@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:p?w@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:p?user=1@h/db?sslmode=disable", "postgresql://u:***@h/db?sslmode=disable",
                          "postgresql://u@h/db?sslmode=disable"},
                    Shown{"postgresql://u:p/w?@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:p#w&a=b@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:p w'\"@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"},
                    Shown{"postgresql://u:password=pw@h/db", "postgresql://u:***@h/db", "postgresql://u@h/db"}));

INSTANTIATE_TEST_SUITE_P(
    UriWithPasswordsInItsQuery, ConnectionString,
    testing::Values(Shown{"postgresql://h/db?password=pw", "postgresql://h/db?password=***", "postgresql://h/db?"},
                    Shown{"postgresql://h/db?password=pw&user=u", "postgresql://h/db?password=***&user=u",
                          "postgresql://h/db?user=u"},
                    Shown{"postgresql://h/db?user=u&password=pw&sslmode=require",
                          "postgresql://h/db?user=u&password=***&sslmode=require",
                          "postgresql://h/db?user=u&sslmode=require"},
                    Shown{"postgresql://h/db?user=u&sslpassword=pw", "postgresql://h/db?user=u&sslpassword=***",
                          "postgresql://h/db?user=u"},
                    Shown{"postgresql://h/db?password='p w\"@x/y?z&user=u", "postgresql://h/db?password=***&user=u",
                          "postgresql://h/db?user=u"},
                    Shown{"postgresql://u:pw@h/db?sslpassword=pw&user=u",
                          "postgresql://u:***@h/db?sslpassword=***&user=u", "postgresql://u@h/db?user=u"}));

INSTANTIATE_TEST_SUITE_P(
    Keywords, ConnectionString,
    testing::Values(Shown{"host=h password=pw user=u", "host=h password=*** user=u", "host=h user=u"},
                    Shown{"password=pw", "password=***", ""}, Shown{"host=h user=u", "host=h user=u", "host=h user=u"},
                    Shown{"password = pw host = h", "password = *** host = h", "host = h"},
                    Shown{"password='p w' host=h", "password=*** host=h", "host=h"},
                    Shown{R"(password='it\'s\\' host=h)", "password=*** host=h", "host=h"},
                    Shown{R"(password=p\ w host=h)", "password=*** host=h", "host=h"},
                    Shown{"password='never closed host=h", "password=***", ""},
                    Shown{"password='' host=h", "password=*** host=h", "host=h"},
                    Shown{"host=h password=a&b=c user=u", "host=h password=*** user=u", "host=h user=u"},
                    Shown{"host=h\tpassword=pw\nuser=u", "host=h\tpassword=***\nuser=u", "host=h\tuser=u"},
                    Shown{"host=h sslpassword=pw sslkey=k", "host=h sslpassword=*** sslkey=k", "host=h sslkey=k"},
                    Shown{"password=postgresql://a:b@c host=h", "password=*** host=h", "host=h"},
                    Shown{"password='a://b:c' host=d@e", "password=*** host=d@e", "host=d@e"},
                    Shown{"host=h user=password", "host=h user=password", "host=h user=password"}));

TEST(Redact, MasksEachConnectionStringOfAMessage) {
    EXPECT_EQ(redact(R"(cannot open "postgres://u:pw@h/db": see https://duckdb.org/docs, or postgres://v:pv@h/db)"),
              R"(cannot open "postgres://u:***@h/db": see https://duckdb.org/docs, or postgres://v:***@h/db)");
    EXPECT_THAT(redact(R"(Unable to connect to Postgres at "host=h password=pw user=u": refused)"),
                Not(HasSubstr("pw")));
    EXPECT_THAT(redact("ducklake:postgres:postgresql://u:pw@h/db"), Not(HasSubstr("pw")));
}

TEST(Redact, LeavesAMessageWithoutASecretAsItIs) {
    for (const char* message : {"", "password authentication failed for user \"u\"", "://", "a@b:c@d", "x ://"}) {
        EXPECT_EQ(redact(message), message);
    }
}

// Whatever a password is made of, none of it is seen: three letters that occur nowhere else show whether it is.
TEST(Redact, NeverShowsAPasswordWhateverItsBytes) {
    std::mt19937 random(20'260'101);
    const std::string odd = "@:/?&=#%'\"\\ [],+ab";
    const auto some = [&](std::size_t most) {
        std::string text;
        for (std::size_t i = random() % (most + 1); i > 0; --i) text += odd[random() % odd.size()];
        return text;
    };
    for (int i = 0; i < 20'000; ++i) {
        const std::string password = some(5) + "XYZ" + some(5);
        std::string quoted;
        for (const char c : password) quoted += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string{c};
        for (const std::string& text :
             {"postgresql://u:" + password + "@h:5432/db?sslmode=require", "postgresql://u:" + password + "@h",
              "host=h password='" + quoted + "' user=u"}) {
            EXPECT_THAT(redact(text), Not(HasSubstr("XYZ"))) << text;
            EXPECT_THAT(without_password(text), Not(HasSubstr("XYZ"))) << text;
        }
        EXPECT_EQ(without_password("host=h password='" + quoted + "' user=u"), "host=h user=u");
    }
}

TEST(HalfSurrogates, AreReplacedInPlace) {
    EXPECT_EQ(without_half_surrogates(R"({"a":"\ud83d"})"), R"({"a":"\ufffd"})");
    EXPECT_EQ(without_half_surrogates(R"("\uDE00x\uD83D\u0041\ud83d\ud83d\ude00")"),
              R"("\ufffdx\ufffd\u0041\ufffd\ud83d\ude00")");
    EXPECT_EQ(without_half_surrogates(R"("\\\ud800\n")"), R"("\\\ufffd\n")");
}

TEST(HalfSurrogates, AreNotSeenWhereThereAreNone) {
    for (const char* json : {"", "{}", R"("\ud83d\ude00\uD83D\uDE00")", R"("\\ud800")", R"("\ud7ff\ue000\uffff\u0000")",
                             R"("ud800 \n \" d800")", R"(\)", R"(\u)", R"(\ud80)", "größe 🦆"}) {
        EXPECT_EQ(without_half_surrogates(json), std::nullopt) << json;
    }
}

TEST(Figures, CountsHaveTheirNounAndSeparators) {
    EXPECT_EQ(count_of(0, "event"), "0 events");
    EXPECT_EQ(count_of(1, "event"), "1 event");
    EXPECT_EQ(count_of(12'345, "event"), "12,345 events");
    EXPECT_EQ(with_separators(0), "0");
    EXPECT_EQ(with_separators(999), "999");
    EXPECT_EQ(with_separators(1000), "1,000");
    EXPECT_EQ(with_separators(1'234'567), "1,234,567");
    EXPECT_EQ(with_separators(-999), "-999");
    EXPECT_EQ(with_separators(-123'456), "-123,456");
    EXPECT_EQ(with_separators(std::numeric_limits<std::int64_t>::max()), "9,223,372,036,854,775,807");
    EXPECT_EQ(with_separators(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Figures, BytesHaveTheUnitThatFits) {
    EXPECT_EQ(human_bytes(0), "0 bytes");
    EXPECT_EQ(human_bytes(1023), "1023 bytes");
    EXPECT_EQ(human_bytes(1024), "1.0 KiB");
    EXPECT_EQ(human_bytes(1536), "1.5 KiB");
    EXPECT_EQ(human_bytes(5 << 20), "5.0 MiB");
    EXPECT_EQ(human_bytes(3LL << 40), "3.0 TiB");
    EXPECT_EQ(human_bytes(std::numeric_limits<std::int64_t>::max()), "8192.0 PiB");
}

TEST(Figures, SecondsHaveThePrecisionAPersonWants) {
    EXPECT_EQ(human_seconds(0), "0.000 s");
    EXPECT_EQ(human_seconds(0.0123), "0.012 s");
    EXPECT_EQ(human_seconds(4.12), "4.1 s");
    EXPECT_EQ(human_seconds(60), "1 min 0 s");
    EXPECT_EQ(human_seconds(200), "3 min 20 s");
    EXPECT_EQ(human_seconds(3600), "1 h 0 min");
    EXPECT_EQ(human_seconds(7500), "2 h 5 min");
}

TEST(Lists, SplitKeepsEmptyPartsAndJoinUndoesIt) {
    EXPECT_THAT(split("a:b:c", ':'), ElementsAre("a", "b", "c"));
    EXPECT_THAT(split("", ':'), ElementsAre(""));
    EXPECT_THAT(split(":a::", ':'), ElementsAre("", "a", "", ""));
    for (const char* text : {"", ":", "a", "a:b", "::a"}) EXPECT_EQ(join(split(text, ':'), ":"), text);
}

TEST(Lists, TrimTakesSpaceOffBothEndsOnly) {
    EXPECT_EQ(trim(" \t\r\n a b \n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace eider
