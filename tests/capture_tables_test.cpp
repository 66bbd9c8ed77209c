// Which tables are captured, and what each look at the source does about it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "capture/health.h"
#include "capture/tables.h"
#include "support/capture.h"
#include "support/server.h"

namespace eider::test {
namespace {

using capture::AttachReport;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Tables : public testing::Test {
protected:
    void SetUp() override {
        app_.run(
            "CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, total int, ssn text); CREATE TABLE "
            "shop.items (id int PRIMARY KEY);"
            "CREATE TABLE shop.items_tmp (id int); CREATE VIEW shop.v AS SELECT 1 AS id; CREATE TABLE other (id int);"
            "CREATE TABLE shop.p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE shop.p1 PARTITION OF "
            "shop.p FOR VALUES FROM (0) TO (10)");
    }

    static Config config_of(const std::string& text) {
        return parse_config(text, "/nowhere/eider.toml", {}, {}, "/nowhere");
    }

    static std::vector<std::string> labels(const capture::Choice& choice) {
        std::vector<std::string> labels;
        for (const auto& table : choice.tables) labels.push_back(table.label());
        return labels;
    }

    std::vector<std::string> chosen(const std::string& text) {
        return labels(capture::choose_tables(eider_, config_of(text)));
    }

    std::string refused(const std::string& text) {
        try {
            capture::choose_tables(eider_, config_of(text));
            return "";
        } catch (const Error& error) {
            return std::string(info(error.kind()).name) + ": " + error.what() + " | " + error.hint();
        }
    }

    AttachReport attach_as(const std::string& text, bool all_columns = false) {
        const Config config = config_of(text);
        return capture::attach_tables(eider_, config, capture::choose_tables(eider_, config), all_columns);
    }

    Database database_ = fresh_database();
    Client app_{database_.uri};
    postgres::Connection eider_{database_.uri};
};

TEST_F(Tables, PatternsChooseTablesAndExcludesTakeSomeBack) {
    EXPECT_THAT(chosen("[capture]\ntables = ['shop.*']\nexclude = ['*.*_tmp']"),
                ElementsAre("shop.items", "shop.orders", "shop.p"));
    EXPECT_THAT(chosen("[capture]\ntables = ['other', 'shop.o*']"), ElementsAre("public.other", "shop.orders"));
}

TEST_F(Tables, WhatCannotBeCapturedIsRefusedWithItsPlaceAndASuggestion) {
    EXPECT_THAT(
        refused("[capture]\ntables = ['shop.ordres']"),
        testing::AllOf(HasSubstr("config: "), HasSubstr("eider.toml:2"), HasSubstr("did you mean shop.orders?")));
    EXPECT_THAT(refused("[capture]\ntables = ['shop.v']"), HasSubstr("is a view"));
    EXPECT_THAT(refused("[capture]\ntables = ['shop.p1']"), HasSubstr("is a partition"));
    EXPECT_THAT(refused("[[table]]\nmatch = 'shop.orders'\nexclude = ['snn']"), HasSubstr("did you mean ssn?"));
    EXPECT_THAT(refused("[[table]]\nmatch = 'shop.orders'\nwhere = 'totl > 1'"), HasSubstr("eider.toml:1"));
    EXPECT_THAT(refused("[[table]]\nmatch = 'shop.orders'\nwhere = 'id IN (SELECT id FROM public.other)'"),
                HasSubstr("uses"));
    EXPECT_THAT(refused("[[table]]\nmatch = 'shop.orders'\nwhere = 'total > 1) OR (true'"), IsEmpty())
        << "odd, but a condition";
}

TEST_F(Tables, APatternWithoutAMatchIsAWarning) {
    EXPECT_THAT(capture::choose_tables(eider_, config_of("[capture]\ntables = ['crm.*', 'shop.*']")).warnings,
                Contains(HasSubstr("crm.*")));
}

TEST_F(Tables, TablesAreAttachedOnceAndNewOnesAtTheNextLook) {
    install_capture(app_);
    const Config config = config_of("[capture]\ntables = ['shop.*']");
    capture::TableWatch watch(config);
    EXPECT_THAT(watch.look(eider_).attached, ElementsAre("shop.items", "shop.items_tmp", "shop.orders", "shop.p"));
    EXPECT_THAT(watch.look(eider_).attached, IsEmpty());
    app_.run("CREATE TABLE shop.more (id int); INSERT INTO shop.more VALUES (1)");
    EXPECT_THAT(watch.look(eider_).attached, ElementsAre("shop.more"));
    app_.run("INSERT INTO shop.more VALUES (2); DROP TABLE shop.more");
    const AttachReport report = watch.look(eider_);
    EXPECT_THAT(report.unattached, IsEmpty());
    EXPECT_THAT(events(app_), ElementsAre(R"(I shop.more {"id":2})"));
    app_.run("ALTER TABLE shop.items DISABLE TRIGGER ALL");
    EXPECT_THAT(watch.look(eider_).attached, ElementsAre("shop.items"));
}

TEST_F(Tables, TablesThatNoPatternMatchesAnyMoreAreDetached) {
    install_capture(app_);
    attach_as("[capture]\ntables = ['shop.*', 'other']");
    EXPECT_THAT(attach_as("[capture]\ntables = ['shop.*']").detached, ElementsAre("public.other"));
    app_.run("INSERT INTO other VALUES (1)");
    EXPECT_THAT(events(app_), IsEmpty());
}

TEST_F(Tables, ATableThatBecameAPartitionIsServedByItsRoot) {
    install_capture(app_);
    app_.run("CREATE TABLE shop.late (LIKE shop.p)");
    const std::string config = "[capture]\ntables = ['shop.*']";
    attach_as(config);
    app_.run("ALTER TABLE shop.p ATTACH PARTITION shop.late FOR VALUES FROM (10) TO (20)");
    EXPECT_THAT(attach_as(config).unattached, IsEmpty());
    app_.run("INSERT INTO shop.p VALUES (11); TRUNCATE shop.late");
    EXPECT_EQ(app_.value("SELECT string_agg(table_name || op::text, ' ' ORDER BY seq) FROM audit.cdc"), "pI lateT");
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    app_.run("ALTER TABLE shop.p DETACH PARTITION shop.late");
    EXPECT_THAT(attach_as(config).attached, ElementsAre("shop.late"));
    EXPECT_THAT(app_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
}

TEST_F(Tables, ATableThatCannotBeHadNowIsReportedAndTheOthersAreAttached) {
    install_capture(app_);
    app_.run("BEGIN; INSERT INTO shop.items VALUES (1)");
    const AttachReport report = attach_as("[capture]\ntables = ['shop.orders', 'shop.items']\nlock_timeout_ms = 20");
    EXPECT_THAT(report.attached, ElementsAre("shop.orders"));
    EXPECT_THAT(report.unattached, ElementsAre(HasSubstr("shop.items: ")));
    app_.run("COMMIT");
}

TEST_F(Tables, RenamingAnExcludedColumnNeverPutsItIntoTheChangeLog) {
    install_capture(app_);
    for (const std::string config :
         {"[[table]]\nmatch = 'shop.orders'\nexclude = ['ssn']", "[[table]]\nmatch = 'shop.*'\nexclude = ['ssn']"}) {
        attach_as(config);
        app_.run("ALTER TABLE shop.orders RENAME ssn TO social; INSERT INTO shop.orders VALUES (1, 1, 'secret')");
        attach_as(config);
        app_.run("DELETE FROM shop.orders; ALTER TABLE shop.orders RENAME social TO ssn");
        attach_as(config);
    }
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc WHERE data::text LIKE '%secret%'"), 0);
    EXPECT_EQ(app_.number("SELECT count(*) FROM audit.cdc"), 4);
}

TEST_F(Tables, AFilterOfAColumnThatIsGoneDoesNotStopTheOthers) {
    install_capture(app_);
    const std::string config = "[[table]]\nmatch = 'shop.orders'\nwhere = 'total > 1'";
    attach_as(config);
    app_.run("ALTER TABLE shop.orders DROP COLUMN total");
    EXPECT_THAT(attach_as(config).unattached, IsEmpty());
    const auto health = capture::table_health(eider_, "1:1:");
    const auto orders = std::find_if(health.begin(), health.end(), [](const auto& t) { return t.name == "orders"; });
    ASSERT_NE(orders, health.end());
    EXPECT_THAT(orders->problems, ElementsAre(HasSubstr("its filter names column total, which is gone")));
}

TEST_F(Tables, ANamedTableThatWasDroppedSinceIsAWarning) {
    install_capture(app_);
    const std::string config = "[capture]\ntables = ['other', 'shop.orders']";
    attach_as(config);
    app_.run("DROP TABLE other");
    EXPECT_THAT(capture::choose_tables(eider_, config_of(config)).warnings, Contains(HasSubstr("is gone")));
}

TEST_F(Tables, HealthSaysHowTablesAreCapturedWhatWaitsAndWhatIsWrong) {
    install_capture(app_);
    attach_as("[capture]\ntables = ['shop.orders', 'shop.p']\n[[table]]\nmatch = 'shop.orders'\nexclude = ['ssn']");
    app_.run(
        "INSERT INTO shop.orders VALUES (1, 1, 's'); INSERT INTO shop.p VALUES (1); ALTER TABLE shop.orders ADD COLUMN "
        "later int; ALTER TABLE shop.p DISABLE TRIGGER eider_truncate");
    const auto health = capture::table_health(eider_, "1:1:");
    ASSERT_EQ(health.size(), 2U);
    EXPECT_EQ(health[0].name + " " + health[0].kind, "orders statement");
    EXPECT_EQ(health[0].pending, 1);
    EXPECT_THAT(health[0].problems, IsEmpty());
    EXPECT_THAT(health[0].left_out, ElementsAre("later"));
    EXPECT_EQ(health[1].name + " " + health[1].kind, "p row");
    EXPECT_THAT(health[1].problems, ElementsAre("trigger eider_truncate is disabled"));
    const auto slots = capture::slot_health(eider_);
    ASSERT_EQ(slots.size(), 3U);
    EXPECT_EQ(slots[0].rows, 2);
}

}  // namespace
}  // namespace eider::test
