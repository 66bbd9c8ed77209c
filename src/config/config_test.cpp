#include "config/config.h"

#include <cstdlib>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace eider {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

Config parse(std::string_view text, const Environment& environment = {}, const std::vector<FlagValue>& flags = {}) {
    return parse_config(text, "eider.toml", environment, flags, "/work");
}

// The error that a text gives, or a failure.
Error error_of(std::string_view text, const Environment& environment = {}, const std::vector<FlagValue>& flags = {}) {
    try {
        parse(text, environment, flags);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::config);
        return error;
    }
    ADD_FAILURE() << "accepted:\n" << text;
    return Error(ErrorKind::internal, "accepted");
}

std::string message_of(std::string_view text) {
    return error_of(text).what();
}

class TempFolder {
public:
    TempFolder() {
        std::string pattern = (fs::temp_directory_path() / "eider_config_XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~TempFolder() { fs::remove_all(path); }
    fs::path path;
};

TEST(Config, OfNothingIsTheDefault) {
    const Config config = parse("");
    EXPECT_EQ(config.source, "");
    EXPECT_EQ(config.consumer, "default");
    EXPECT_EQ(config.lake.catalog.kind, CatalogKind::source);
    EXPECT_EQ(config.lake.catalog_schema, "eider_lake");
    EXPECT_EQ(config.lake.data_path, "/work/lake");
    EXPECT_EQ(config.capture.durability, Durability::unlogged);
    EXPECT_TRUE(config.capture.attach_new);
    EXPECT_TRUE(config.captures("shop", "orders"));
    EXPECT_TRUE(config.options_for("shop", "orders").is_plain());
    EXPECT_THROW(config.required_source(), Error);
}

TEST(Config, DefaultsAreWhatTheTableOfKeysSays) {
    std::string text;
    for (const auto& setting : settings()) {
        if (setting.name == "table" || setting.default_value.empty() || !setting.section.empty()) continue;
        text += std::string(setting.name) + " = " + std::string(setting.default_value) + "\n";
    }
    for (const auto& setting : settings()) {
        if (setting.section.empty() || setting.default_value.empty()) continue;
        text += std::string(setting.section) + "." + std::string(setting.name) + " = " +
                std::string(setting.default_value) + "\n";
    }
    const Config said = parse(text);
    const Config silent = parse("");
    EXPECT_EQ(said.consumer, silent.consumer);
    EXPECT_EQ(said.lake.catalog.kind, silent.lake.catalog.kind);
    EXPECT_EQ(said.lake.catalog_schema, silent.lake.catalog_schema);
    EXPECT_EQ(said.lake.data_path, silent.lake.data_path);
    EXPECT_EQ(said.capture.tables, silent.capture.tables);
    EXPECT_EQ(said.capture.exclude, silent.capture.exclude);
    EXPECT_EQ(said.capture.durability, silent.capture.durability);
    EXPECT_EQ(said.capture.owner, silent.capture.owner);
    EXPECT_EQ(said.capture.role, silent.capture.role);
    EXPECT_EQ(said.capture.attach_new, silent.capture.attach_new);
    EXPECT_EQ(said.capture.lock_timeout_ms, silent.capture.lock_timeout_ms);
    EXPECT_EQ(said.engine.memory_limit, silent.engine.memory_limit);
    EXPECT_EQ(said.engine.threads, silent.engine.threads);
    EXPECT_EQ(said.engine.copy_streams, silent.engine.copy_streams);
    EXPECT_EQ(said.engine.temp_directory, silent.engine.temp_directory);
    EXPECT_EQ(said.engine.extension_directory, silent.engine.extension_directory);
    EXPECT_EQ(said.sync.rotate_min_rows, silent.sync.rotate_min_rows);
}

TEST(Config, TakesFlagBeforeEnvironmentBeforeFile) {
    const std::string file = "consumer = \"file\"\n[engine]\nthreads = 1\ncopy_streams = 1\nmemory_limit = \"1GB\"";
    const Environment environment{{"EIDER_THREADS", "2"}, {"EIDER_COPY_STREAMS", "2"}, {"EIDER_MEMORY_LIMIT", ""}};
    const Config config = parse(file, environment, {{"--threads", "engine.threads", "3"}});
    EXPECT_EQ(config.consumer, "file");
    EXPECT_EQ(config.engine.memory_limit, "1GB") << "an empty variable is none";
    EXPECT_EQ(config.engine.copy_streams, 2);
    EXPECT_EQ(config.engine.threads, 3);
}

TEST(Config, EveryKeyCanComeFromTheEnvironment) {
    const Config config =
        parse("", {{"EIDER_SOURCE", "postgresql://h/db"},
                   {"EIDER_CATALOG", "sqlite:c.sqlite"},
                   {"EIDER_TABLES", "shop.*, \"a,b\".c ,crm.people"},
                   {"EIDER_EXCLUDE", "shop.tmp"},
                   {"EIDER_DURABILITY", "logged"},
                   {"EIDER_ATTACH_NEW", "no"},
                   {"EIDER_TABLE_RULES", R"([{match = "shop.users", exclude = ["password"], before = true}])"}});
    EXPECT_EQ(config.required_source(), "postgresql://h/db");
    EXPECT_EQ(config.lake.catalog.kind, CatalogKind::sqlite);
    EXPECT_EQ(config.lake.catalog.location, "/work/c.sqlite");
    EXPECT_TRUE(config.captures("a,b", "c"));
    EXPECT_TRUE(config.captures("crm", "people"));
    EXPECT_FALSE(config.captures("crm", "others"));
    EXPECT_FALSE(config.captures("shop", "tmp"));
    EXPECT_EQ(config.capture.durability, Durability::logged);
    EXPECT_FALSE(config.capture.attach_new);
    EXPECT_THAT(config.options_for("shop", "users").exclude, ElementsAre("password"));
}

TEST(Config, RelativePathsOfTheFileAreRelativeToItsFolder) {
    const std::string text =
        "[lake]\ndata_path = \"data\"\ncatalog = \"c.ducklake\"\n[engine]\ntemp_directory = \"../tmp\"";
    const Config config = parse_config(text, "conf/eider.toml", {{"EIDER_EXTENSION_DIR", "ext"}}, {}, "/work");
    EXPECT_EQ(config.lake.data_path, "/work/conf/data");
    EXPECT_EQ(config.lake.catalog.location, "/work/conf/c.ducklake");
    EXPECT_EQ(config.engine.temp_directory, "/work/tmp");
    EXPECT_EQ(config.engine.extension_directory, "/work/ext");
    EXPECT_EQ(parse_config("", "/etc/eider.toml", {}, {}, "/work").lake.data_path, "/etc/lake");
    EXPECT_EQ(parse("[lake]\ndata_path = \"s3://bucket/x\"").lake.data_path, "s3://bucket/x");
}

TEST(Config, TellsCatalogsApart) {
    const auto catalog = [](const std::string& text) { return parse("", {{"EIDER_CATALOG", text}}).lake.catalog; };
    EXPECT_EQ(catalog("source").kind, CatalogKind::source);
    EXPECT_EQ(catalog("postgresql://u@h/db").location, "postgresql://u@h/db");
    EXPECT_EQ(catalog("postgres:host=h dbname=db").kind, CatalogKind::postgres);
    EXPECT_EQ(catalog("ducklake:postgres:dbname=db").location, "dbname=db");
    EXPECT_EQ(catalog("lake.ducklake").kind, CatalogKind::duckdb);
    EXPECT_EQ(catalog("duckdb:/x/y").location, "/x/y");
    EXPECT_EQ(catalog("sqlite:/x/y").kind, CatalogKind::sqlite);
    EXPECT_THROW(catalog("mysql:db"), Error);
    EXPECT_THROW(catalog("sqlite:"), Error);
}

TEST(Config, NeverCapturesSystemTablesOrTheCatalog) {
    const Config config = parse("");
    for (const char* schema : {"pg_catalog", "pg_temp_3", "pg_toast", "information_schema", "audit", "eider_lake"}) {
        EXPECT_FALSE(config.captures(schema, "t")) << schema;
    }
    EXPECT_TRUE(parse("[lake]\ncatalog = \"x.db\"").captures("eider_lake", "t"));
    EXPECT_THAT(message_of("[capture]\ntables = [\"a.b\",\n \"audit.cdc_1\"]"),
                StartsWith("eider.toml:3: 'audit.cdc_1'"));
}

TEST(Config, LaterRulesWinAndSecretsStayOut) {
    const Config config = parse(R"(
[[table]]
match = "*.*"
exclude = ["password", "token"]
before = true
where = "true"
[[table]]
match = "shop.*"
hash = ["email", "token"]
where = "id > 0"
[[table]]
match = "shop.users"
exclude = ["ssn", "password"]
before = false
always = true
)");
    const TableOptions users = config.options_for("shop", "users");
    EXPECT_THAT(users.exclude, ElementsAre("password", "token", "ssn"));
    EXPECT_THAT(users.hash, ElementsAre("email"));
    EXPECT_EQ(users.where, "id > 0");
    EXPECT_FALSE(users.before);
    EXPECT_TRUE(users.always);
    EXPECT_THAT(users.origins, ElementsAre("eider.toml:2", "eider.toml:7", "eider.toml:11"));
    const TableOptions other = config.options_for("crm", "people");
    EXPECT_TRUE(other.before);
    EXPECT_FALSE(other.always);
    EXPECT_FALSE(other.is_plain());
}

TEST(Config, NamesTheLineOfAnUnknownKeyAndTheOneThatWasMeant) {
    const Error error = error_of("source = \"dbname=x\"\n\n[capture]\ntabels = [\"a.b\"]\n");
    EXPECT_STREQ(error.what(), "eider.toml:4: unknown key \"tabels\" in [capture]");
    EXPECT_EQ(error.hint(), "did you mean \"tables\"?");
    EXPECT_STREQ(error_of("sorce = \"\"").what(), "eider.toml:1: unknown key \"sorce\"");
    EXPECT_EQ(error_of("sorce = \"\"").hint(), "did you mean \"source\"?");
    EXPECT_EQ(error_of("data_path = \"x\"").hint(), "it belongs under [lake]");
    EXPECT_THAT(error_of("[lake]\nsource = \"x\"").hint(), HasSubstr("top of the file"));
    EXPECT_STREQ(error_of("\n[captur]\nx = 1").what(), "eider.toml:2: unknown section \"captur\"");
    EXPECT_EQ(error_of("\n[captur]\nx = 1").hint(), "did you mean \"capture\"?");
    EXPECT_STREQ(error_of("[[table]]\nmatch = \"a\"\nexlude = []").what(),
                 "eider.toml:3: unknown key \"exlude\" in [[table]]");
}

TEST(Config, NamesTheLineOfAWrongValue) {
    EXPECT_EQ(message_of("\nsource = 3"), "eider.toml:2: \"source\" must be a text, not a number");
    EXPECT_EQ(message_of("[engine]\nthreads = \"2\""), "eider.toml:2: \"threads\" must be a whole number, not a text");
    EXPECT_EQ(message_of("[engine]\nthreads = -1"),
              "eider.toml:2: \"threads\" is -1, and must lie between 0 and 1,024");
    EXPECT_EQ(message_of("[capture]\nattach_new = \"yes\""),
              "eider.toml:2: \"attach_new\" must be true or false, not a text");
    EXPECT_EQ(message_of("[capture]\ntables = \"a.b\""), "eider.toml:2: \"tables\" must be a list, not a text");
    EXPECT_EQ(message_of("[capture]\ntables = [\"a.b\",\n\n3]"),
              "eider.toml:4: \"tables\" must hold texts, not a number");
    EXPECT_EQ(message_of("[capture]\ndurability = \"loged\""),
              "eider.toml:2: \"durability\" is \"loged\", and must be \"unlogged\" or \"logged\"");
    EXPECT_THAT(message_of("[capture]\ntables = [\n\"a.b\",\n\"shop.[ab]\"]"),
                StartsWith("eider.toml:4: the table pattern 'shop.[ab]'"));
    EXPECT_THAT(message_of("[capture]\ntables = [\"a.b\", \"a.b\"]"), HasSubstr("twice"));
    EXPECT_THAT(message_of("[capture]\ntables = []"), HasSubstr("nothing would be captured"));
    EXPECT_THAT(message_of("lake = 3"), StartsWith("eider.toml:1: lake is a section"));
    EXPECT_THAT(message_of("[engine]\nmemory_limit = \"lots\""),
                StartsWith("eider.toml:2: \"memory_limit\" is not an amount"));
    EXPECT_THAT(message_of("a = 1\n]"), StartsWith("eider.toml:2: "));
    EXPECT_THAT(message_of("a = 1\ngröße = 1"), StartsWith("eider.toml:2: "));  // see config/toml.h
    EXPECT_THAT(message_of("a = 1\n[[&x]]"), StartsWith("eider.toml:2: "));
    EXPECT_THAT(message_of(std::string("a = 1\n[\0]\n", 10)), StartsWith("eider.toml:2: there is a control character"));
    EXPECT_STREQ(error_of("", {{"EIDER_THREADS", "two"}}).what(), "EIDER_THREADS must be a whole number");
    EXPECT_THAT(error_of("", {}, {{"--catalog", "lake.catalog", "what"}}).what(),
                StartsWith("--catalog is not a catalog"));
}

TEST(Config, RefusesRulesThatSayNothingClear) {
    EXPECT_THAT(message_of("\n[[table]]\nbefore = true"), StartsWith("eider.toml:2: this [[table]] has no \"match\""));
    EXPECT_EQ(message_of("[[table]]\nmatch = \"t\"\n[[table]]\nmatch = \"public.t\""),
              "eider.toml:3: there is already a [[table]] for 'public.t', at eider.toml:1");
    EXPECT_THAT(message_of("[table]\nmatch = \"t\""), HasSubstr("must be a list"));
    EXPECT_THAT(message_of("[[table]]\nmatch = \"t\"\nwhere = \"  \""), StartsWith("eider.toml:3: \"where\" is empty"));
    EXPECT_THAT(message_of("[[table]]\nmatch = \"t\"\nhash = [\"a\", \"a\"]"), HasSubstr("names 'a' twice"));
    EXPECT_THAT(error_of("", {{"EIDER_TABLE_RULES", "[]\nsource = \"x\""}}).what(), HasSubstr("more than rules"));
    EXPECT_THAT(error_of("", {{"EIDER_TABLE_RULES", "[{match = 3}]"}}).what(),
                StartsWith("EIDER_TABLE_RULES: \"match\""));
}

TEST(Config, NeverShowsAPassword) {
    for (const char* text :
         {"source = postgresql://u:hunter2@h/db", "source = [\"postgresql://u:hunter2@h/db\"]",
          "source = \"postgresql://u:hunter2@h/db\nx", "consumer = \"password=hunter2\"\nx = 1",
          "[capture]\ndurability = \"postgresql://u:hunter2@h/db\"", "[lake]\ncatalog = \"mysql://u:hunter2@h/db\"",
          "[capture]\ntables = [\"postgresql://u:hunter2@h/db\"]", "\"postgresql://u:hunter2@h/db\" = 1"}) {
        const Error error = error_of(text);
        EXPECT_THAT(error.what(), Not(HasSubstr("hunter2"))) << text;
        EXPECT_THAT(error.hint(), Not(HasSubstr("hunter2"))) << text;
    }
}

TEST(Config, WarnsOfVariablesThatWereProbablyMistyped) {
    const Config config = parse("", {{"EIDER_SORCE", "x"}, {"EIDER_LOG", "debug"}, {"EIDER_UNRELATED_THING", "x"}});
    EXPECT_THAT(config.warnings, ElementsAre(HasSubstr("did you mean EIDER_SOURCE?")));
}

TEST(Config, WritesAFileThatItReadsBack) {
    EXPECT_EQ(parse(config_file_text({})).source, "");
    const NewConfig values{"host=h password='a\"\\\\b' dbname=d", "sqlite:c.sqlite", "data", {"shop.*", "\"a b\".c"}};
    const Config config = parse(config_file_text(values));
    EXPECT_EQ(config.source, values.source);
    EXPECT_EQ(config.lake.catalog.kind, CatalogKind::sqlite);
    EXPECT_EQ(config.lake.data_path, "/work/data");
    EXPECT_TRUE(config.captures("a b", "c"));
}

TEST(Config, EveryCommentedLineOfANewFileIsValidToo) {
    std::string text = config_file_text({});
    for (const char* key : {"source", "catalog", "data_path", "tables", "exclude", "durability", "match", "hash",
                            "where", "before", "context", "memory_limit", "threads", "[[table]]"}) {
        const std::string comment = std::string("# ") + key;
        for (std::size_t at = 0; (at = text.find("\n" + comment, at)) != std::string::npos; ++at) {
            const char after = text[at + 1 + comment.size()];
            if (after == ' ' || after == '\n') text.erase(at + 1, 2);
        }
    }
    const Config config = parse(text);
    EXPECT_EQ(config.source, "postgresql://user@host/database");
    EXPECT_THAT(config.options_for("shop", "users").exclude, ElementsAre("password"));
}

TEST(Config, WritesAPasswordOnlyForItsOwner) {
    const TempFolder folder;
    const fs::path file = folder.path / "eider.toml";
    EXPECT_TRUE(write_config_file(file, {.source = "postgresql://u:secret@h/db"}));
    EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_THAT(load_config(file, true, {}, {}).warnings, IsEmpty());
    fs::permissions(file, fs::perms::group_read | fs::perms::others_read, fs::perm_options::add);
    EXPECT_THAT(load_config(file, true, {}, {}).warnings, ElementsAre(HasSubstr("chmod 600")));
}

TEST(Config, LeavesAFileThatIsThereAlone) {
    const TempFolder folder;
    const fs::path file = folder.path / "eider.toml";
    std::ofstream(file) << "consumer = \"mine\"\n";
    EXPECT_FALSE(write_config_file(file, {.source = "dbname=x"}));
    EXPECT_EQ(load_config(file, true, {}, {}).consumer, "mine");
    EXPECT_THROW(write_config_file(folder.path / "no" / "eider.toml", {}), Error);
}

TEST(Config, WithoutAFileIsFineUnlessItWasNamed) {
    EXPECT_EQ(load_config("/nonexistent/eider.toml", false, {{"EIDER_CONSUMER", "c"}}, {}).consumer, "c");
    EXPECT_EQ(load_config("/nonexistent/eider.toml", false, {}, {}).file, "");
    EXPECT_EQ(load_config("/nonexistent/eider.toml", false, {}, {}).lake.data_path, "/nonexistent/lake")
        << "as it will be when init has written the file";
    EXPECT_THROW(load_config("/nonexistent/eider.toml", true, {}, {}), Error);
    EXPECT_THROW(load_config("/", true, {}, {}), Error);
}

TEST(Config, IsDocumentedAsItIs) {
    const char* root = std::getenv("EIDER_ROOT");
    if (root == nullptr) GTEST_SKIP() << "EIDER_ROOT is not set";
    std::ifstream in(fs::path(root) / "docs" / "configuration.md");
    const std::string page{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(page, HasSubstr(settings_as_markdown()));
}

}  // namespace
}  // namespace eider
