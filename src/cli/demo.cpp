// `eider demo`: pgbench on a throwaway server, eider beside it, and the proof at the end. Runs the very commands that a
// user would type.
#include <spawn.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wiring.h"
#include "dev/binaries.h"
#include "dev/process.h"
#include "dev/server.h"
#include "postgres/connection.h"

namespace eider::cli {
namespace {

namespace fs = std::filesystem;

struct DemoFlags {
    int seconds = 8;
    int clients = 4;
    int scale = 2;
};

// A program that writes to our own stdout and stderr.
class Child {
public:
    explicit Child(const std::vector<std::string>& argv) {
        std::vector<char*> arguments = dev::exec_arguments(argv);
        if (posix_spawnp(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) {
            throw Error(ErrorKind::disk, "cannot start " + argv[0], "is it installed?");
        }
    }
    ~Child() {
        if (pid_ > 0) {
            kill(pid_, SIGTERM);
            wait();
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    void interrupt() const { kill(pid_, SIGINT); }
    int wait() {
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = 0;
        return dev::exit_code_of(status);
    }

private:
    pid_t pid_ = 0;
};

// A folder for the lake that goes with the demo.
class DemoFolder {
public:
    DemoFolder() {
        std::string name = (fs::temp_directory_path() / "eider-demo-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr)
            throw Error(ErrorKind::disk, "cannot make a folder in " + fs::temp_directory_path().string(), "set TMPDIR");
        path_ = name;
    }
    ~DemoFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    DemoFolder(const DemoFolder&) = delete;
    DemoFolder& operator=(const DemoFolder&) = delete;
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

void say(const std::string& text) {
    print("\n" + text + "\n");
    std::fflush(stdout);
}

void run_shown(const std::string& shown, const std::vector<std::string>& argv) {
    say("$ " + shown);
    if (const int code = Child(argv).wait(); code != 0) {
        throw Error(ErrorKind::internal, fmt::format("'{}' ended with exit code {}", shown, code),
                    "see its message above");
    }
}

void run_quietly(const std::vector<std::string>& argv) {
    const dev::Output output = dev::run_program(argv);
    if (output.exit_code != 0) throw Error(ErrorKind::internal, argv[0] + " failed: " + output.text, {});
}

struct Proof {
    std::string what;
    std::int64_t source = 0;
    std::int64_t lake = 0;
    bool holds() const { return source == lake; }
};

// What pgbench committed, by PostgreSQL's own count, against what the lake holds.
std::vector<Proof> prove(const Config& config) {
    postgres::Connection source(config.required_source());
    lake::DuckLake lake(lake_options(config), lake::Access::read);
    const auto in_source = [&](const std::string& sql) { return source.query(sql).integer(0, 0); };
    const auto in_lake = [&](const std::string& sql) { return lake.session().query(sql).integer(0, 0); };

    std::vector<Proof> proofs;
    proofs.push_back({"rows of pgbench_history = inserts in the lake",
                      in_source("SELECT count(*) FROM public.pgbench_history"),
                      in_lake("SELECT count(*) FROM cdc WHERE table_name = 'pgbench_history' AND cdc_op = 'I'")});
    proofs.push_back({"sum of their deltas", in_source("SELECT coalesce(sum(delta), 0) FROM public.pgbench_history"),
                      in_lake("SELECT coalesce(sum((data ->> 'delta')::BIGINT), 0)::BIGINT FROM cdc WHERE table_name = "
                              "'pgbench_history'")});
    proofs.push_back({"events = different events", in_lake("SELECT count(*) FROM cdc"),
                      in_lake("SELECT count(DISTINCT seq) FROM cdc")});
    proofs.push_back({"sum of all balances, replayed from the log",
                      in_source("SELECT coalesce(sum(abalance), 0) FROM public.pgbench_accounts"),
                      in_lake("SELECT coalesce(sum(balance), 0)::BIGINT FROM (SELECT arg_max((data ->> "
                              "'abalance')::BIGINT, (batch, seq)) AS balance "
                              "FROM cdc WHERE table_name = 'pgbench_accounts' GROUP BY data ->> 'aid')")});
    return proofs;
}

int run_demo(const DemoFlags& flags) {
    const fs::path eider = fs::read_symlink("/proc/self/exe");
    const dev::Binaries binaries = dev::find_binaries({});
    const std::string pgbench = (binaries.folder / "pgbench").string();
    const DemoFolder folder;

    say("A throwaway PostgreSQL server, and pgbench's tables in it.");
    const dev::Server server = dev::Server::start();
    const std::string uri = server.address().socket_string();
    run_quietly({pgbench, "--initialize", "--quiet", "--scale", std::to_string(flags.scale), uri});

    const std::map<std::string, std::string> environment{{"EIDER_SOURCE", uri},
                                                         {"EIDER_DATA_PATH", (folder.path() / "lake").string()}};
    for (const auto& [name, value] : environment)
        setenv(name.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): no thread yet
    const std::string config_file = (folder.path() / "eider.toml").string();

    run_shown("eider init", {eider.string(), "init"});
    say(fmt::format("$ eider sync --every 1s        # while pgbench writes with {} clients for {} seconds",
                    flags.clients, flags.seconds));
    Child sync({eider.string(), "sync", "--every", "1s"});
    run_quietly({pgbench, "--no-vacuum", "--client", std::to_string(flags.clients), "--time",
                 std::to_string(flags.seconds), uri});
    sync.interrupt();
    sync.wait();
    run_shown("eider sync --until-empty", {eider.string(), "sync", "--until-empty"});
    run_shown("eider verify           # each mirror against its table, row by row, at one snapshot",
              {eider.string(), "verify"});
    const std::string sql =
        "SELECT table_name, cdc_op, count(*) AS events, max(cdc_ts) AS newest FROM cdc GROUP BY ALL ORDER BY ALL";
    run_shown("eider query \"" + sql + "\"", {eider.string(), "query", sql});

    say("Complete, and once:");
    const Config config = parse_config("", config_file, eider_environment(), {}, folder.path());
    bool all_hold = true;
    Table table{{{"proof"}, {"PostgreSQL", CellType::number}, {"lake", CellType::number}, {""}}, {}};
    for (const auto& proof : prove(config)) {
        table.rows.push_back({proof.what, with_separators(proof.source), with_separators(proof.lake),
                              proof.holds() ? "ok" : "DIFFERENT"});
        all_hold = all_hold && proof.holds();
    }
    print(as_aligned_text(table, stdout_style()));
    if (!all_hold)
        throw Error(ErrorKind::corrupt, "the lake differs from the source", "this is a bug in eider: please report it");
    say("On a database of your own:  eider init postgresql://user@host/database && eider sync");
    return 0;
}

}  // namespace

void add_demo(CLI::App& app, Context& context) {
    CLI::App* command =
        add_command(app, "demo", "Watch pgbench arrive in a lake, on a throwaway server, with the proof at the end",
                    "eider demo --seconds 20");
    auto flags = std::make_shared<DemoFlags>();
    command->add_option("--seconds", flags->seconds, "How long pgbench writes")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    command->add_option("--clients", flags->clients, "Clients of pgbench")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command->add_option("--scale", flags->scale, "Scale of pgbench's tables: 100,000 accounts each")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    on_run(command, context, [flags] { return run_demo(*flags); });
}

}  // namespace eider::cli
