// A database with capture on it, and what capture recorded.
//
//   CapturedDatabase db("CREATE TABLE t (id int PRIMARY KEY, v text)");
//   db.app.run("INSERT INTO t VALUES (1, 'a')");
//   EXPECT_THAT(db.events(), ElementsAre(R"(I t {"id":1,"v":"a"})"));
//
// Threads: one at a time; clients made by client() may each be used by another one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "capture/install.h"
#include "capture/tables.h"
#include "config/config.h"
#include "support/server.h"

namespace eider::test {

class CapturedDatabase {
public:
    // A fresh database in which `schema` is run; then capture is installed and attached to what `rules` say, as
    // `eider init` does it. `rules` is the text of an eider.toml; without "[capture]" in it all tables are captured.
    explicit CapturedDatabase(const std::string& schema = "", const std::string& rules = "");

    // Installs (again).
    void install();
    // Brings the triggers in line with the rules, as each sync does it.
    capture::AttachReport attach(bool all_columns = false);
    // The same under other rules, from now on.
    capture::AttachReport attach(const std::string& rules, bool all_columns = false);

    // Events since the last call, in the order of their numbers, one line each:
    //   I t {"id":1}    U s.t {...} before {...} context {...} nested
    // The schema is left out where it is public.
    std::vector<std::string> events();
    // Only operation and the value of one key: "I 1"
    std::vector<std::string> short_events(const std::string& key = "id");
    // Whether the slots' bytes, read as text, hold `text` anywhere.
    bool log_mentions(const std::string& text);

    // Replays the whole log and compares with the table: rows that only one of them has. Empty: equal.
    // `key` as a list of SQL texts, e.g. {"id"}.
    std::vector<std::string> replay_differences(const std::string& table, const std::vector<std::string>& key = {"id"});

    Client client() const { return Client(database.uri); }
    // Logged in as another role, which must be one with LOGIN.
    Client client_as(const std::string& role) const;
    std::string uri_as(const std::string& role) const;

    Database database;
    Config config;
    Client app;  // a superuser

private:
    long long seen_ = 0;  // the last number that events() returned
};

// A configuration as a file with this text gives it.
Config config_of(const std::string& rules);

// The message of the error that `statement` raises, with its hint and context; "" if it raises none.
std::string error_of(Client& client, const std::string& statement);

}  // namespace eider::test
