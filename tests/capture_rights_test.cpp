// Who may do what: the owner, the writer, eider's role, an application, everybody; and what an installation leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "support/capture.h"
#include "support/server.h"

namespace eider::test {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string error_of(Client& client, const std::string& sql) {
    try {
        client.run(sql);
        return "";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

// Roles are of the whole server: each test has its own.
class Rights : public testing::Test {
protected:
    Rights() {
        static int number = 0;
        prefix_ = fmt::format("r{}", ++number);
        config_.capture.owner = prefix_ + "_owner";
        config_.capture.role = prefix_ + "_eider";
    }

    std::string role(const std::string& name) const { return prefix_ + "_" + name; }

    // A session of another role, as after its own login.
    Client as(const std::string& name) const {
        return Client(shared_server().address().socket_string(database_.name) + " options='-c role=" + role(name) +
                      "'");
    }

    void set_up_shop() {
        install_capture(admin_, config_);
        admin_.run(
            "CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, v text); CREATE TABLE shop.other (id int); "
            "INSERT INTO shop.other VALUES (42)");
        attach(admin_, "shop.t");
        admin_.run(
            fmt::format("CREATE ROLE {0}; GRANT USAGE ON SCHEMA shop TO {0}; GRANT ALL ON shop.t TO {0}", role("app")));
    }

    std::string prefix_;
    Config config_;
    Database database_ = fresh_database();
    Client admin_{database_.uri};
};

TEST_F(Rights, AnApplicationNeedsNoneAndHasNone) {
    set_up_shop();
    Client app = as("app");
    app.run("INSERT INTO shop.t VALUES (1, 'a'); UPDATE shop.t SET id = 2; DELETE FROM shop.t; TRUNCATE shop.t");
    EXPECT_THAT(short_events(admin_), ElementsAre("I 1", "D 1", "U 2", "D 2", "T"));
    for (const std::string sql :
         {"SELECT * FROM audit.cdc", "SELECT * FROM audit.cdc_1",
          "INSERT INTO audit.cdc_1 (rel, op, nested) VALUES (1, 'I', false)", "DELETE FROM audit.cdc_1",
          "TRUNCATE audit.cdc_1", "SELECT * FROM audit.secret", "SELECT * FROM audit.installation",
          "SELECT nextval('audit.cdc_seq')", "SELECT audit.rotate()", "SELECT audit.keyed_hash('x')",
          "SELECT audit.confirm('default', pg_current_snapshot(), 1)", "SELECT audit.attach('shop.t')",
          "SELECT audit.detach('shop.t')", "CREATE TABLE audit.mine (id int)"}) {
        EXPECT_THAT(error_of(app, sql), HasSubstr("permission denied")) << sql;
    }
}

TEST_F(Rights, PublicHasNothing) {
    set_up_shop();
    attach(admin_, "shop.t", R"({"hash": ["v"]})");
    EXPECT_EQ(admin_.number("SELECT count(*) FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', "
                            "nspowner))) AS a WHERE nspname = 'audit' AND a.grantee = 0"),
              0);
    EXPECT_EQ(admin_.value("SELECT string_agg(relname, ' ') FROM pg_class, aclexplode(coalesce(relacl, acldefault(CASE "
                           "relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END, relowner))) AS a "
                           "WHERE relnamespace = 'audit'::regnamespace AND a.grantee = 0"),
              "");
    EXPECT_EQ(admin_.value("SELECT string_agg(proname, ' ') FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', "
                           "proowner))) AS a "
                           "WHERE pronamespace = 'audit'::regnamespace AND a.grantee = 0"),
              "");
}

TEST_F(Rights, EveryFunctionWithRightsOfItsOwnHasAFixedSearchPath) {
    set_up_shop();
    attach(admin_, "shop.t", R"({"exclude": ["v"]})");
    EXPECT_EQ(
        admin_.value(
            "SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = 'audit'::regnamespace AND prosecdef "
            "AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(proconfig, '{}'))"),
        "");
}

TEST_F(Rights, TheRolesCannotLogInAndHaveNothingElsewhere) {
    set_up_shop();
    EXPECT_EQ(admin_.number(fmt::format("SELECT count(*) FROM pg_roles WHERE rolname LIKE '{}\\_%' AND (rolcanlogin OR "
                                        "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)",
                                        prefix_)),
              0);
    for (const std::string name : {"owner", "eider", "eider_writer"}) {
        EXPECT_EQ(
            admin_.value(fmt::format(
                "SELECT has_table_privilege('{}', 'shop.t', 'SELECT') OR has_schema_privilege('{}', 'shop', 'USAGE')",
                role(name), role(name))),
            "f")
            << name;
    }
}

TEST_F(Rights, TheWriterMayOnlyAddToTheSlots) {
    set_up_shop();
    Client writer = as("eider_writer");
    for (const std::string sql :
         {"SELECT * FROM audit.cdc_1", "DELETE FROM audit.cdc_1", "TRUNCATE audit.cdc_1",
          "UPDATE audit.cdc_1 SET op = 'X'", "SELECT * FROM audit.secret",
          "INSERT INTO audit.cdc_1 (xid, rel, op, nested) VALUES ('1', 1, 'I', false)",
          "INSERT INTO audit.cdc_1 (seq, rel, op, nested) VALUES (1, 1, 'I', false)", "SELECT audit.rotate()",
          "SELECT audit.set_hash_key('x')", "CREATE TABLE audit.mine (id int)",
          "CREATE OR REPLACE FUNCTION audit.capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
          "SELECT * FROM shop.t"}) {
        EXPECT_THAT(error_of(writer, sql), HasSubstr("permission denied")) << sql;
    }
}

TEST_F(Rights, EidersRoleReadsRotatesAndReleasesAndNothingMore) {
    set_up_shop();
    admin_.run("INSERT INTO shop.t VALUES (1, 'a')");
    Client eider = as("eider");
    eider.run(
        "SELECT audit.claim('default', 'epoch'); SELECT count(*) FROM audit.cdc; SELECT * FROM audit.cdc_1, "
        "audit.relation, audit.consumer, audit.installation, audit.cdc_seq;"
        "SELECT audit.rotate(); SELECT audit.confirm('default', pg_current_snapshot(), 1); SELECT audit.release(); "
        "SELECT audit.refresh(); SELECT * FROM audit.trigger_problem;"
        "SELECT audit.let_go('default'); SELECT audit.forget('default')");
    EXPECT_EQ(admin_.number("SELECT count(*) FROM audit.cdc"), 0);
    for (const std::string sql :
         {"INSERT INTO audit.cdc_1 (rel, op, nested) VALUES (1, 'I', false)", "DELETE FROM audit.cdc_1",
          "TRUNCATE audit.cdc_1", "DROP TABLE audit.cdc_1", "SELECT * FROM audit.secret",
          "SELECT audit.keyed_hash('x')", "SELECT audit.set_hash_key('x')", "UPDATE audit.relation SET options = '{}'",
          "UPDATE audit.installation SET active_slot = 1", "SELECT audit.define(1, '{}', NULL, false)",
          "SELECT audit.write_functions()", "SELECT audit.set_slot(2)", "SELECT audit.write_function('x', 'BEGIN END')",
          "CREATE FUNCTION audit.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT * FROM shop.t"}) {
        EXPECT_THAT(error_of(eider, sql), AnyOf(HasSubstr("permission denied"), HasSubstr("must be owner"))) << sql;
    }
}

TEST_F(Rights, EidersRoleAttachesWhatAppearsButChangesNothingThatWasDecided) {
    set_up_shop();
    admin_.run(
        fmt::format("CREATE TABLE shop.later (id int PRIMARY KEY, v text); GRANT USAGE ON SCHEMA shop TO {0}; GRANT "
                    "SELECT, TRIGGER ON ALL TABLES IN SCHEMA shop TO {0}",
                    role("eider")));
    attach(admin_, "shop.t", R"({"exclude": ["v"]})");
    Client eider = as("eider");
    attach(eider, "shop.later", R"({"hash": ["v"]})");
    admin_.run("INSERT INTO shop.later VALUES (1, 'secret')");
    EXPECT_EQ(admin_.number("SELECT count(*) FROM audit.cdc WHERE data ->> 'id' = '1' AND length(data ->> 'v') = 64"),
              1);
    EXPECT_THAT(error_of(eider, "SELECT audit.attach('shop.t')"), HasSubstr("may not change how"));
    EXPECT_THAT(error_of(eider, R"(SELECT audit.attach('shop.other', '{"where": "id > 1"}'))"),
                HasSubstr("may not set the filter"));
    EXPECT_THAT(error_of(eider, "SELECT audit.unregister('shop.t'::regclass)"), HasSubstr("still has triggers"));
}

// PostgreSQL calls the cast to json of a column's type while a change is recorded: with whose rights?
TEST_F(Rights, AHostileTypeOfACapturedColumnGainsNothing) {
    set_up_shop();
    admin_.run(fmt::format(
        "GRANT CREATE, USAGE ON SCHEMA shop TO {0}; CREATE TABLE shop.loot (what text); GRANT ALL ON shop.loot TO {0}",
        role("app")));
    Client app = as("app");
    app.run(
        "CREATE TYPE shop.evil AS ENUM ('x'); CREATE FUNCTION shop.evil_json(shop.evil) RETURNS json LANGUAGE plpgsql "
        "AS $$ DECLARE s text; BEGIN "
        "FOREACH s IN ARRAY ARRAY['SELECT count(*) FROM shop.other', 'SELECT count(*) FROM audit.cdc_1', 'SELECT "
        "count(*) FROM audit.secret', 'TRUNCATE audit.cdc_1', 'CREATE ROLE evil',"
        " 'SELECT audit.rotate()', 'CREATE TABLE audit.x ()', 'SELECT count(*) FROM audit.relation', 'SELECT "
        "audit.set_hash_key(''x'')', 'UPDATE audit.installation SET active_slot = 3'] LOOP "
        "BEGIN EXECUTE s; RETURN to_json('gained: ' || s); EXCEPTION WHEN insufficient_privilege THEN NULL; END; END "
        "LOOP; RETURN to_json(current_user); END $$;"
        "CREATE CAST (shop.evil AS json) WITH FUNCTION shop.evil_json(shop.evil); CREATE TABLE shop.bait (id int "
        "PRIMARY KEY, e shop.evil)");
    attach(admin_, "shop.bait");
    admin_.run(
        fmt::format("GRANT USAGE ON SCHEMA shop TO {}; GRANT EXECUTE ON FUNCTION shop.evil_json(shop.evil) TO PUBLIC",
                    role("eider_writer")));
    app.run("INSERT INTO shop.bait VALUES (1, 'x')");
    EXPECT_EQ(admin_.value("SELECT data ->> 'e' FROM audit.cdc"), role("eider_writer"));
    attach(admin_, "shop.bait", R"({"hash": ["e"]})");
    app.run("INSERT INTO shop.bait VALUES (2, 'x')");
    EXPECT_EQ(admin_.value("SELECT data ->> 'e' = audit.keyed_hash('x') FROM audit.cdc ORDER BY seq DESC LIMIT 1"), "t")
        << "a hash is of the value's own text";
}

TEST_F(Rights, AHostileFunctionOnTheSearchPathIsNotCalled) {
    set_up_shop();
    admin_.run(fmt::format("GRANT CREATE ON SCHEMA shop TO {0}", role("app")));
    Client app = as("app");
    app.run(
        "CREATE FUNCTION shop.row_to_json(anyelement) RETURNS json LANGUAGE sql AS $$ SELECT '\"caught\"'::json $$;"
        "CREATE FUNCTION shop.pg_trigger_depth() RETURNS int LANGUAGE sql AS 'SELECT 7'; SET search_path = shop, "
        "pg_catalog; INSERT INTO t VALUES (1, 'a');"
        "CREATE TEMP TABLE cdc_1 (x int); INSERT INTO t VALUES (2, 'b')");
    EXPECT_THAT(events(admin_), ElementsAre(R"(I shop.t {"id":1,"v":"a"})", R"(I shop.t {"id":2,"v":"b"})"));
}

// --- Installing ------------------------------------------------------------------------------------------------------

TEST_F(Rights, InstallingTwiceChangesNothing) {
    set_up_shop();
    admin_.run("SELECT audit.rotate()");
    const std::string all =
        "SELECT md5(string_agg(x, '|' ORDER BY x)) FROM (SELECT i::text AS x FROM audit.installation AS i UNION ALL "
        "SELECT r::text FROM audit.relation AS r "
        "UNION ALL SELECT s::text FROM audit.secret AS s UNION ALL SELECT proname || prosrc || proowner || "
        "coalesce(proacl::text, '') FROM pg_proc WHERE pronamespace = 'audit'::regnamespace "
        "UNION ALL SELECT relname || relowner || coalesce(relacl::text, '') || relfilenode FROM pg_class WHERE "
        "relnamespace = 'audit'::regnamespace "
        "UNION ALL SELECT tgrelid || tgname || xmin FROM pg_trigger) AS y";
    const std::string before = admin_.value(all);
    install_capture(admin_, config_);
    attach(admin_, "shop.t");
    EXPECT_EQ(admin_.value(all), before);
    EXPECT_EQ(admin_.value("SELECT current_user || current_setting('search_path')"), "postgres\"$user\", public")
        << "the session is as it was";
}

TEST_F(Rights, InstallingAgainHoldsUpNoWriter) {
    set_up_shop();
    Client writer(database_.uri);
    writer.run("BEGIN; INSERT INTO shop.t VALUES (1, 'a')");
    admin_.run("SET lock_timeout = '5s'");
    install_capture(admin_, config_);
    attach(admin_, "shop.t");
    writer.run("INSERT INTO shop.t VALUES (2, 'b'); COMMIT");
    EXPECT_THAT(short_events(admin_), ElementsAre("I 1", "I 2"));
}

// The first version watched keys with row triggers whose conditions named the columns.
TEST_F(Rights, UpgradingTakesOffTheKeyTriggersOfTheFirstVersionAndItsFunctions) {
    set_up_shop();
    admin_.run(
        "CREATE TABLE shop.p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE shop.p1 PARTITION OF shop.p "
        "DEFAULT");
    attach(admin_, "shop.p");
    const std::string functions =
        "SELECT string_agg(p.oid::regprocedure::text, ' ' ORDER BY p.oid::regprocedure::text) FROM pg_proc AS p WHERE "
        "p.pronamespace = 'audit'::regnamespace";
    const std::string before = admin_.value(functions);
    admin_.run(
        fmt::format("SET ROLE {}; CREATE FUNCTION audit.free_key(regclass) RETURNS void LANGUAGE sql AS ''; CREATE "
                    "FUNCTION audit.key_changed(oid, int2[]) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';"
                    "CREATE FUNCTION audit.write_functions(integer) RETURNS void LANGUAGE sql AS ''; RESET ROLE",
                    role("owner")));
    admin_.run(
        "CREATE TRIGGER eider_key AFTER UPDATE ON shop.t FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE "
        "FUNCTION audit.capture_row('0', 'key', 'ordered', '1');"
        "CREATE OR REPLACE TRIGGER eider_update AFTER UPDATE ON shop.t REFERENCING NEW TABLE AS new_rows FOR EACH "
        "STATEMENT EXECUTE FUNCTION audit.capture();"
        "CREATE TRIGGER eider_p_key AFTER UPDATE ON shop.p FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE "
        "FUNCTION audit.capture_row('0', 'key', 'ordered', '1')");
    install_capture(admin_, config_);
    EXPECT_EQ(admin_.value(functions), before);
    EXPECT_EQ(admin_.number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%key' AND NOT tgisinternal"), 0);
    EXPECT_THAT(admin_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    admin_.run(
        "INSERT INTO shop.t VALUES (1, 'a'); ALTER TABLE shop.t ALTER id TYPE bigint; UPDATE shop.t SET id = 2; INSERT "
        "INTO shop.p VALUES (3); UPDATE shop.p SET id = 4");
    EXPECT_THAT(short_events(admin_), ElementsAre("I 1", "D 1", "U 2", "I 3", "D 3", "U 4"));
}

TEST_F(Rights, ADatabaseOwnerWithoutOtherRightsCanInstall) {
    admin_.run(fmt::format("CREATE ROLE {0}; ALTER DATABASE {1} OWNER TO {0}", role("dba"), database_.name));
    Client dba = as("dba");
    dba.run("CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, v text)");
    install_capture(dba, config_);
    attach(dba, "shop.t", R"({"exclude": ["v"], "always": true})");
    dba.run(
        "INSERT INTO shop.t VALUES (1, 'a'); SELECT audit.claim('default', 'e'); SELECT audit.rotate(); SELECT "
        "audit.confirm('default', pg_current_snapshot(), 1); SELECT audit.release()");
    EXPECT_EQ(admin_.value("SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'audit'"), role("dba"));
    install_capture(dba, config_);
    dba.run(capture::uninstall_sql(config_));
    EXPECT_EQ(admin_.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'audit'"), 0);
}

TEST_F(Rights, ADatabaseOwnerWhoMayCreateRolesGetsAllOfThem) {
    admin_.run(fmt::format("CREATE ROLE {0} CREATEROLE; ALTER DATABASE {1} OWNER TO {0}", role("dba"), database_.name));
    Client dba = as("dba");
    dba.run("CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, v text)");
    install_capture(dba, config_);
    attach(dba, "shop.t", R"({"hash": ["v"], "where": "id > 0"})");
    dba.run("INSERT INTO shop.t VALUES (1, 'a')");
    EXPECT_EQ(admin_.value("SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'audit'"), role("owner"));
    EXPECT_EQ(admin_.value("SELECT proowner::regrole FROM pg_proc WHERE proname = 'capture'"), role("eider_writer"));
    dba.run("SELECT audit.rotate(); INSERT INTO shop.t VALUES (2, 'b')");
    EXPECT_THAT(short_events(admin_), ElementsAre("I 1", "I 2"));
    dba.run(capture::uninstall_sql(config_));
    EXPECT_EQ(admin_.number(fmt::format("SELECT count(*) FROM pg_roles WHERE rolname IN ('{}', '{}', '{}')",
                                        role("owner"), role("eider"), role("eider_writer"))),
              0);
}

TEST_F(Rights, ASchemaCalledAuditThatIsSomebodyElsesIsLeftAlone) {
    admin_.run("CREATE SCHEMA audit; CREATE TABLE audit.mine (id int)");
    EXPECT_THAT(error_of(admin_, "BEGIN; " + capture::install_sql(config_, {})), HasSubstr("that is not eider's"));
    admin_.run("ROLLBACK");
    admin_.run(capture::uninstall_sql(config_));
    EXPECT_EQ(admin_.number("SELECT count(*) FROM pg_class WHERE relnamespace = 'audit'::regnamespace"), 1);
}

TEST_F(Rights, UninstallingLeavesTheDatabaseAsItWas) {
    const std::string all =
        "SELECT concat_ws(' ', (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM "
        "pg_trigger), (SELECT count(*) FROM pg_type),"
        "(SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'), (SELECT count(*) FROM pg_depend), "
        "(SELECT count(*) FROM pg_roles), (SELECT count(*) FROM pg_auth_members),"
        "(SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_shdepend))";
    admin_.run(
        "CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, v text); CREATE TABLE shop.p (id int PRIMARY "
        "KEY) PARTITION BY RANGE (id); CREATE TABLE shop.p1 PARTITION OF shop.p DEFAULT; CREATE TABLE shop.plain (id "
        "int PRIMARY KEY)");
    const std::string before = admin_.value(all);
    install_capture(admin_, config_);
    attach(admin_, "shop.t", R"({"exclude": ["v"], "where": "id > 0", "always": true})");
    attach(admin_, "shop.p");
    attach(admin_, "shop.plain");
    admin_.run("INSERT INTO shop.t VALUES (1, 'a'); SELECT audit.rotate()");
    admin_.run(capture::uninstall_sql(config_));
    EXPECT_EQ(admin_.value(all), before);
    admin_.run(capture::uninstall_sql(config_));  // where nothing is, it does nothing
    admin_.run("INSERT INTO shop.t VALUES (2, 'a'); INSERT INTO shop.p VALUES (1)");
}

TEST_F(Rights, DetachTakesAllTriggersOffAndKeepsTheNames) {
    set_up_shop();
    admin_.run("INSERT INTO shop.t VALUES (1, 'a'); SELECT audit.detach('shop.t'); INSERT INTO shop.t VALUES (2, 'b')");
    EXPECT_THAT(events(admin_), ElementsAre(R"(I shop.t {"id":1,"v":"a"})"));
    EXPECT_EQ(admin_.number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.t'::regclass"), 0);
    EXPECT_EQ(admin_.value("SELECT audit.detach('shop.t')"), "f");
    attach(admin_, "shop.t");
    admin_.run("INSERT INTO shop.t VALUES (3, 'c')");
    EXPECT_THAT(short_events(admin_), ElementsAre("I 1", "I 3"));
}

TEST_F(Rights, WhatIsWrongWithTriggersIsFoundAndMended) {
    set_up_shop();
    admin_.run(
        "ALTER TABLE shop.t DISABLE TRIGGER eider_update; DROP TRIGGER eider_insert ON shop.t; ALTER TABLE shop.t "
        "ENABLE ALWAYS TRIGGER eider_truncate;"
        "CREATE OR REPLACE TRIGGER eider_delete AFTER DELETE ON shop.t FOR EACH ROW EXECUTE FUNCTION audit.capture();"
        "CREATE TRIGGER mine AFTER INSERT ON shop.other REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE "
        "FUNCTION audit.capture()");
    std::vector<std::string> problems;
    for (const auto& row : admin_.run("SELECT name || ': ' || problem FROM audit.trigger_problem"))
        problems.push_back(*row[0]);
    EXPECT_THAT(problems, UnorderedElementsAre("eider_update: disabled", "eider_insert: missing",
                                               "eider_truncate: enabled for other sessions",
                                               "eider_delete: out of date", "mine: left over"));
    attach(admin_, "shop.t");
    admin_.run("SELECT audit.detach('shop.other')");
    EXPECT_THAT(admin_.run("SELECT * FROM audit.trigger_problem"), IsEmpty());
    // A key that comes later is watched from the next look on.
    admin_.run("ALTER TABLE shop.t DROP CONSTRAINT t_pkey; ALTER TABLE shop.t ALTER v SET NOT NULL, ADD UNIQUE (v)");
    attach(admin_, "shop.t");
    admin_.run("INSERT INTO shop.t VALUES (1, 'a'); UPDATE shop.t SET v = 'b'; UPDATE shop.t SET id = 2");
    EXPECT_THAT(short_events(admin_, "v"), ElementsAre("I a", "D a", "U b", "U b"));
}

TEST_F(Rights, AttachingDoesNotWaitForLocksForLong) {
    set_up_shop();
    Client writer(database_.uri);
    writer.run("BEGIN; INSERT INTO shop.other VALUES (1)");
    EXPECT_THAT(error_of(admin_, "SET lock_timeout = '100ms'; SELECT audit.attach('shop.other')"),
                HasSubstr("lock timeout"));
    writer.run("COMMIT");
    attach(admin_, "shop.other");
}

}  // namespace
}  // namespace eider::test
