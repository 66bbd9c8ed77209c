// Capture in a test's database, and what it recorded.
//
// Threads: one at a time per Client.
#pragma once

#include <string>
#include <vector>

#include "capture/install.h"
#include "support/server.h"

namespace eider::test {

// Runs the text of `eider sql install`, as `client` is connected.
void install_capture(Client& client, const Config& config = {});

// SELECT audit.attach(...); options as JSON.
void attach(Client& client, const std::string& table, const std::string& options = "{}");

// All recorded events in the order of their numbers, one line each: "I shop.orders {"id":1}"; " nested" at the end of
// those captured inside a trigger of another statement.
std::vector<std::string> events(Client& client);

// Only operations and keys, for tables whose first column is the key: "I 1".
std::vector<std::string> short_events(Client& client, const std::string& key = "id");

// Empties the change log, between two parts of a test.
void forget_events(Client& client);

// Plays the recorded events of `table` in the order of their numbers, and compares with the table. Rows that differ, as
// JSON; keys that have a nested event are left out, because only the source knows their last version.
std::vector<std::string> replay_differences(Client& client, const std::string& table,
                                            const std::vector<std::string>& key);

}  // namespace eider::test
