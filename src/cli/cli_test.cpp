#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/stop_signals.h"

namespace eider::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

// Runs the program; what it wrote to stdout and stderr.
struct Ran {
    int exit_code;
    std::string out;
    std::string err;
};
Ran run_program(std::vector<std::string> words) {
    words.insert(words.begin(), "eider");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int exit_code = run(static_cast<int>(argv.size()), argv.data());
    std::fflush(stdout);
    return {exit_code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

const Table sample{{{"name"}, {"rows", CellType::number}, {"ok", CellType::boolean}},
                   {{"a", "1", "true"},
                    {"größe, \"x\"", "1234", "false"},
                    {std::nullopt, "NaN", std::nullopt},
                    {"", "-1.5e3", "true"}}};

TEST(Usage, ErrorsExitWithTwoAndSuggestWhatWasMeant) {
    const Ran command = run_program({"versoin"});
    EXPECT_EQ(command.exit_code, 2);
    EXPECT_EQ(command.err, "error: eider has no command 'versoin'\nhint: did you mean 'version'?\n");
    EXPECT_EQ(run_program({"dev", "upp"}).err, "error: eider dev has no command 'upp'\nhint: did you mean 'up'?\n");
    EXPECT_EQ(run_program({"version", "--jsno"}).err,
              "error: eider version has no flag '--jsno'\nhint: did you mean '--json'?\n");
    EXPECT_THAT(run_program({"version", "--config"}).err, HasSubstr("--config"));
    EXPECT_THAT(run_program({"dev", "run", "--set", "a=b", "--"}).err, HasSubstr("eider dev run needs a command"));
    EXPECT_THAT(run_program({}).err, HasSubstr("eider needs a command: "));
    EXPECT_THAT(run_program({"dev", "run", "psql", "-X"}).err, HasSubstr("eider dev run -- ..."));
}

TEST(Usage, ErrorsAreJsonWhereJsonIsAskedFor) {
    const Ran ran = run_program({"versoin", "--json"});
    EXPECT_EQ(ran.exit_code, 2);
    EXPECT_THAT(ran.out, HasSubstr("\"kind\": \"config\""));
    EXPECT_THAT(ran.out, HasSubstr("\"exit_code\": 2"));
    EXPECT_EQ(ran.err, "");
}

TEST(Usage, ErrorsShowNoPassword) {
    EXPECT_THAT(run_program({"postgresql://u:hunter2@h/db"}).err, Not(HasSubstr("hunter2")));
    EXPECT_THAT(run_program({"version", "--sorce=postgresql://u:hunter2@h/db"}).err, Not(HasSubstr("hunter2")));
}

TEST(Usage, EveryCommandsHelpShowsAnExample) {
    CLI::App app("eider", "eider");
    Context context;
    add_commands(app, context);
    const std::function<void(const CLI::App*)> check = [&](const CLI::App* parent) {
        for (const auto* command : parent->get_subcommands([](const CLI::App*) { return true; })) {
            EXPECT_THAT(command->help(), HasSubstr("Example:\n  eider ")) << command->get_name();
            EXPECT_THAT(command->get_description(), Not(testing::IsEmpty())) << command->get_name();
            check(command);
        }
    };
    check(&app);
}

TEST(Output, AlignsColumnsByWhatTheyTakeOnAScreen) {
    EXPECT_EQ(as_aligned_text(sample),
              "name          rows  ok\n"
              "----------  ------  -----\n"
              "a                1  true\n"
              "größe, \"x\"    1234  false\n"
              "               NaN\n"
              "            -1.5e3  true\n");
    EXPECT_EQ(display_width("größe"), 5U);
    EXPECT_EQ(display_width("数据"), 4U);
    EXPECT_EQ(display_width("e\u0301"), 1U);
    EXPECT_EQ(as_aligned_text({}), "");
}

TEST(Output, CutsCellsToTheWidthOfTheTerminal) {
    const Table wide{{{"id"}, {"text"}}, {{"1", std::string(100, 'x')}}};
    const std::string text = as_aligned_text(wide, {.width_max = 20});
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        EXPECT_LE(display_width(text.substr(at, end - at)), 20U);
        at = end + 1;
    }
    EXPECT_THAT(text, HasSubstr("xxx…"));
}

TEST(Output, LetsNoValueSteerTheTerminal) {
    const Table hostile{{{"a\033[2J"}}, {{"x\ny\033]0;title\007\x9b"}}};
    const std::string text = as_aligned_text(hostile);
    EXPECT_EQ(text.find('\033'), std::string::npos);
    EXPECT_THAT(text, HasSubstr("x\\ny\\x1b]0;title\\x07"));
}

TEST(Output, WritesCsvThatTellsNullFromEmpty) {
    EXPECT_EQ(as_csv(sample), "name,rows,ok\na,1,true\n\"größe, \"\"x\"\"\",1234,false\n,NaN,\n\"\",-1.5e3,true\n");
}

TEST(Output, WritesJsonThatIsJson) {
    EXPECT_EQ(
        as_json(sample),
        "[\n{\"name\": \"a\", \"rows\": 1, \"ok\": true},\n{\"name\": \"größe, \\\"x\\\"\", \"rows\": 1234, \"ok\": "
        "false},\n"
        "{\"name\": null, \"rows\": \"NaN\", \"ok\": null},\n{\"name\": \"\", \"rows\": -1.5e3, \"ok\": true}\n]\n");
    EXPECT_EQ(as_json({{{"a"}}, {}}), "[]\n");
}

TEST(StopSignals, TheFirstSignalAsksForAStop) {
    const StopSignals signals;
    EXPECT_FALSE(signals.token().stop_requested());
    std::raise(SIGTERM);
    while (!signals.token().stop_requested()) std::this_thread::yield();
}

TEST(StopSignalsDeathTest, TheSecondSignalEndsTheProcess) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            const StopSignals signals;
            std::raise(SIGINT);
            std::raise(SIGINT);
        },
        testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace eider::cli
