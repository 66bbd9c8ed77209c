// Clients that change shop.item at random, and note by themselves in shop.plain what they changed: what must then be in
// the lake, once.
//
//   EIDER_TABLES=shop.item   (captures what is compared, not the notes)
//
// Each change is (op, id, token), and no two are the same. Transactions are of one or several statements; some roll back.
// Threads: one for each client inside; the object itself one at a time.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

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

// A lake with a workload beside it that goes on while eiders come and go.
class LakeUnderLoad {
public:
    explicit LakeUnderLoad(CatalogKind catalog);

    // Brings the lake up to date while the workload stands still; what `differences` then says.
    std::string differences_at_rest(const Variables& variables = {});

    Pipeline pipeline;
    std::unique_ptr<Workload> workload;

private:
    unsigned seed_ = 1;
};

// One such lake for each catalog, for all tests of a suite: what one of them breaks the next one meets.
template <typename Parameter>
class OnLakesUnderLoad : public testing::TestWithParam<Parameter> {
public:
    static void TearDownTestSuite() { lakes().clear(); }

    static LakeUnderLoad& lake(CatalogKind catalog) {
        auto& lake = lakes()[catalog];
        if (lake == nullptr) lake = std::make_unique<LakeUnderLoad>(catalog);
        return *lake;
    }

private:
    static std::map<CatalogKind, std::unique_ptr<LakeUnderLoad>>& lakes() {
        static std::map<CatalogKind, std::unique_ptr<LakeUnderLoad>> all;
        return all;
    }
};

std::string name_of(CatalogKind catalog);

// What is wrong with the lake: changes that are missing, there twice, or were never committed; "" when all is right. Of
// changes noted up to `from` (a shop.plain.n) it only minds those that are there twice, or were never committed.
std::string differences(const Pipeline& pipeline, long long from = 0);

// The last number of shop.plain drawn by now.
long long last_noted(const Pipeline& pipeline);

}  // namespace eider::test
