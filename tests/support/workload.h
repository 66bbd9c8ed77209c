// Clients that change shop.item at random, and note by themselves in shop.plain what they changed: what must then be in
// the lake, once.
//
//   EIDER_TABLES=shop.item   (captures what is compared, not the notes)
//
// Each change is (op, id, token), and no two are the same. Transactions are of one or several statements; some roll back.
// Threads: one for each client inside; the object itself one at a time.
#pragma once

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/pipeline.h"

namespace eider::test {

class Workload {
public:
    static void create_tables(Client& client);

    // Starts. `seed` decides the statements, though not how the clients meet.
    Workload(const Database& database, int clients, unsigned seed = 1);
    ~Workload();

    // Returns when `commits` more transactions have changed something.
    void wait_for(int commits);

    // Ends all clients, between two transactions.
    void stop();

private:
    void work(const std::stop_token& stop, const std::string& uri, unsigned seed);

    std::atomic<int> commits_ = 0;
    std::atomic<long long> tokens_;
    std::vector<std::jthread> clients_;
};

// What is wrong with the lake: changes that are missing, there twice, or were never committed; "" when all is right. Of
// changes noted up to `from` (a shop.plain.n) it only minds those that are there twice, or were never committed.
std::string differences(const Pipeline& pipeline, long long from = 0);

// The last number of shop.plain drawn by now.
long long last_noted(const Pipeline& pipeline);

}  // namespace eider::test
