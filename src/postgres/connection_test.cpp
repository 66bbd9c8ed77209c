#include "postgres/connection.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "base/error.h"
#include "base/text.h"

namespace eider::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;

// What libpq reads for a keyword; fails the test where it cannot read the string at all.
std::string option_of(const std::string& connection_string, const std::string& keyword) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(connection_string.c_str(), &message), PQconninfoFree);
    const std::unique_ptr<char, decltype(&PQfreemem)> held(message, PQfreemem);
    if (options == nullptr) {
        ADD_FAILURE() << connection_string << ": " << message;
        return {};
    }
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->keyword == keyword && option->val != nullptr) return option->val;
    }
    return {};
}

TEST(WithoutPassword, LeavesAConnectionStringThatLibpqTakes) {
    for (const std::string given :
         {"postgresql://u:secret@h/db", "postgresql://u:secret@h/db?sslmode=require",
          "postgresql://u@h/db?password=secret", "postgresql://h/db?password=secret&user=u",
          "postgresql://h/db?user=u&password=secret&sslmode=require",
          "postgresql://h/db?password=secret&sslpassword=secret&user=u", "postgresql://u:sec?ret@h/db",
          "host=h user=u password=secret dbname=db", "password='se cr\\'et' user=u host=h dbname=db",
          "password = secret user = u host = h dbname = db", "host=h password=a&b user=u dbname=db"}) {
        EXPECT_NE(option_of(given, "password") + option_of(given, "sslpassword"), "") << given;
        const std::string bare = without_password(given);
        EXPECT_EQ(option_of(bare, "password"), "") << bare;
        EXPECT_EQ(option_of(bare, "sslpassword"), "") << bare;
        for (const char* keyword : {"user", "host", "dbname"})
            EXPECT_EQ(option_of(bare, keyword), option_of(given, keyword)) << bare;
    }
}

// None of these reaches a server: libpq refuses them, or there is none. Its messages quote what it did not understand.
TEST(Connection, NamesNoPasswordWhenItCannotConnect) {
    for (const std::string given :
         {"postgresql://u:XYZ@/db?host=/nowhere", "host=/nowhere password=XYZ",
          "postgresql://u:100%XYZ@/db?host=/nowhere", "postgresql://u:p/XYZ@localhost/db",
          "postgresql://u:p@XYZ@localhost:1/db", "host=/nowhere password=p XYZ", "host=/nowhere password=p XYZ=q",
          "host=/nowhere password='p XYZ", "postgresql://u:p%00XYZ@h/db"}) {
        try {
            const Connection connection(given);
            ADD_FAILURE() << "connected: " << given;
        } catch (const Error& error) {
            EXPECT_THAT(error.what(), Not(HasSubstr("XYZ"))) << given;
            EXPECT_THAT(error.hint(), Not(HasSubstr("XYZ"))) << given;
        }
    }
}

TEST(Connection, TellsAWrongStringFromAServerThatIsNotThere) {
    const auto kind_of = [](const std::string& connection_string) {
        try {
            const Connection connection(connection_string);
        } catch (const Error& error) {
            EXPECT_FALSE(error.hint().empty());
            return error.kind();
        }
        return ErrorKind::internal;
    };
    EXPECT_EQ(kind_of("host=/nowhere"), ErrorKind::source_unavailable);
    EXPECT_EQ(kind_of("hots=h"), ErrorKind::config);
    EXPECT_EQ(kind_of("postgresql://h:port/db"), ErrorKind::config);
    EXPECT_EQ(kind_of("postgresql://h:70000/db"), ErrorKind::config);
    EXPECT_EQ(kind_of("postgresql://h/db?sslmod=require"), ErrorKind::config);
    EXPECT_EQ(kind_of("postgresql://u:100%@h/db"), ErrorKind::config);
    EXPECT_EQ(kind_of("host=h password='p"), ErrorKind::config);
}

}  // namespace
}  // namespace eider::postgres
