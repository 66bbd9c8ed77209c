// The examples of the repository, run as their READMEs say.
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/process.h"
#include "support/server.h"
#include "support/temp_folder.h"

namespace eider::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// eider and Python first on PATH, as on a machine where both are installed.
Variables as_installed() {
    const std::string path = eider_binary().parent_path().string() + ":" + python_binary().parent_path().string() +
                             ":" + std::getenv("PATH");
    Variables variables{{"PATH", path}, {"PYTHONDONTWRITEBYTECODE", "1"}};
    const fs::path extensions = source_root() / ".deps" / "extensions";
    if (std::getenv("EIDER_EXTENSION_DIR") == nullptr) variables["EIDER_EXTENSION_DIR"] = extensions.string();
    return variables;
}

class Examples : public testing::Test {
protected:
    // A copy of the example: running it writes into its folder.
    void copy(const std::string& name) {
        fs::copy(source_root() / "examples" / name, folder_.path() / name, fs::copy_options::recursive);
        project_ = folder_.path() / name;
    }

    void shell(const std::string& command, const Variables& more = {}) {
        Variables variables = as_installed();
        variables.insert(more.begin(), more.end());
        last_ = run({"sh", "-c", command}, variables, project_);
        ASSERT_EQ(last_.exit_code, 0) << command << "\n" << last_.out << last_.err;
    }

    TempFolder folder_;
    fs::path project_;
    Finished last_;
};

TEST_F(Examples, PytestTestsASchemaChangeAndATransformation) {
    copy("pytest");
    ASSERT_NO_FATAL_FAILURE(shell("eider dev run -- python -m pytest -q -p no:cacheprovider"));
    EXPECT_THAT(last_.out, HasSubstr("3 passed"));
}

TEST_F(Examples, AlembicGoesUpAndDownAndUpAgain) {
    copy("alembic");
    const Database database = fresh_database();
    const Variables variables{{"DATABASE_URL", database.uri},
                              {"EIDER_SOURCE", database.uri},
                              {"EIDER_TABLES", "shop.*"},
                              {"EIDER_EXCLUDE", "*.alembic_version"},
                              {"EIDER_TABLE_RULES", "[{match = \"shop.payments\", exclude = [\"card\"]}]"},
                              {"EIDER_DATA_PATH", folder_ / "lake"}};
    ASSERT_NO_FATAL_FAILURE(shell("eider sql install > migrations/sql/eider_install.sql", variables));
    ASSERT_NO_FATAL_FAILURE(shell("eider sql uninstall > migrations/sql/eider_uninstall.sql", variables));
    ASSERT_NO_FATAL_FAILURE(shell("python -m alembic upgrade head", variables));

    Client application(database.uri);
    application.run("INSERT INTO shop.orders (customer, amount) VALUES ('ann', 10)");
    application.run("INSERT INTO shop.payments (order_id, card) VALUES (1, '4111')");
    ASSERT_NO_FATAL_FAILURE(shell("eider init --json && eider sync --until-empty", variables));
    EXPECT_THAT(last_.out, HasSubstr("\"attached\": []")) << "the migrations left nothing to attach";
    ASSERT_NO_FATAL_FAILURE(shell("eider query --csv \"SELECT table_name, data FROM cdc ORDER BY seq\"", variables));
    EXPECT_THAT(last_.out, HasSubstr("orders,"));
    EXPECT_THAT(last_.out, HasSubstr("payments,\"{\"\"id\"\":1,\"\"order_id\"\":1}\""));

    ASSERT_NO_FATAL_FAILURE(shell("python -m alembic downgrade base", variables));
    EXPECT_EQ(application.number("SELECT count(*) FROM pg_namespace WHERE nspname IN ('audit', 'shop')"), 0);

    ASSERT_NO_FATAL_FAILURE(shell("python -m alembic upgrade head", variables));
    application.run("INSERT INTO shop.orders (customer, amount) VALUES ('bob', 20)");
    EXPECT_EQ(application.number("SELECT count(*) FROM audit.cdc"), 1);
}

}  // namespace
}  // namespace eider::test
