#include "config/pattern.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace eider {
namespace {

TEST(TablePattern, MatchesSchemaAndTableEachByItself) {
    EXPECT_TRUE(TablePattern::parse("shop.*").matches("shop", "orders"));
    EXPECT_FALSE(TablePattern::parse("shop.*").matches("shopping", "orders"));
    EXPECT_TRUE(TablePattern::parse("s?op.ord*").matches("shop", "orders"));
    EXPECT_TRUE(TablePattern::parse("*.*").matches("a.b", "c.d"));
    EXPECT_FALSE(TablePattern::parse("a*.c").matches("a", "b.c"));
}

TEST(TablePattern, WithoutASchemaIsInPublic) {
    const auto pattern = TablePattern::parse("orders");
    EXPECT_TRUE(pattern.matches("public", "orders"));
    EXPECT_FALSE(pattern.matches("shop", "orders"));
    EXPECT_TRUE(pattern.is_exact());
    EXPECT_EQ(pattern, TablePattern::parse("public.orders"));
}

TEST(TablePattern, StarAloneIsEveryTable) {
    EXPECT_TRUE(TablePattern::parse("*").matches("shop", "orders"));
    EXPECT_EQ(TablePattern::parse("*"), TablePattern::parse("*.*"));
    EXPECT_TRUE(TablePattern::parse("*_log").matches("public", "a_log"));
    EXPECT_FALSE(TablePattern::parse("*_log").matches("shop", "a_log"));
}

TEST(TablePattern, TakesQuotedPartsLiterally) {
    const auto pattern = TablePattern::parse(R"("a.b"."x*""y")");
    EXPECT_TRUE(pattern.matches("a.b", "x*\"y"));
    EXPECT_FALSE(pattern.matches("a.b", "xz\"y"));
    EXPECT_TRUE(pattern.is_exact());
    EXPECT_TRUE(TablePattern::parse(R"("My Schema".*)").matches("My Schema", "t"));
    EXPECT_TRUE(TablePattern::parse("größe.tabelle").matches("größe", "tabelle"));
}

TEST(TablePattern, RefusesWhatCannotBeMeant) {
    for (const char* text : {"", "  ", ".", "a.", ".b", "a.b.c", "shop.[ab]*", "shop.{a,b}", "shop.%", "!shop.*",
                             "a b.c", "\"a.b", "\"\".t", "\"a\"b.c", "a,b", "\"a\".\"b\"x"}) {
        try {
            TablePattern::parse(text);
            ADD_FAILURE() << "accepted: " << text;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::config) << text;
            EXPECT_FALSE(error.hint().empty()) << text;
        }
    }
}

TEST(TablePattern, RefusesAnExactNameThatPostgresWouldCutOff) {
    EXPECT_NO_THROW(TablePattern::parse(std::string(63, 'x')));
    EXPECT_THROW(TablePattern::parse(std::string(64, 'x')), Error);
}

}  // namespace
}  // namespace eider
