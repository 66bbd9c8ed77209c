#include "sync/batch.h"

#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/snapshot.h"

namespace eider::sync {
namespace {

Error fenced() {
    return {ErrorKind::fenced, "another eider has taken this lake over",
            "stop one of the two: each lake and consumer name needs exactly one eider"};
}

}  // namespace

Consumer::Consumer(capture::Source& source, lake::Lake& lake, std::string name, mirror::Mirrors* mirrors)
    : source_(source), lake_(lake), name_(std::move(name)), mirrors_(mirrors) {}

Consumer::~Consumer() {
    // Only with a known head: after a failure the next process must take over, to be on the safe side.
    if (!holds_ || !head_ || is_in_doubt_) return;
    try {
        source_.let_go(name_, head_epoch_);
    } catch (const Error&) {
        // The next run takes over instead.
    }
}

std::optional<BatchReport> Consumer::batch(std::atomic<std::int64_t>* running) {
    begin();
    if (!is_due()) {
        source_.free_slots();
        return std::nullopt;
    }
    const std::string looked_from = head_->cursor;
    hold();
    // Taking over may have found a batch that was thought lost: perhaps it brought all there was.
    if (head_->cursor != looked_from && !is_due()) {
        source_.free_slots();
        return std::nullopt;
    }
    const BatchReport report = move(running);
    confirm();
    source_.free_slots();
    return report;
}

bool Consumer::is_due() {
    return source_.has_changes(head_->cursor) || (mirrors_ != nullptr && mirrors_->is_due());
}

std::vector<mirror::Verification> Consumer::verify(const std::vector<TablePattern>& tables) {
    struct NothingToKeep {};
    begin();
    hold();
    const bool keeps = is_due();
    std::vector<mirror::Verification> found;
    const lake::Head before = *head_;
    try {
        move(nullptr, [&] {
            found = mirrors_->verify(tables);
            if (!keeps) throw NothingToKeep();
        });
    } catch (const NothingToKeep&) {
        is_in_doubt_ = false;  // not even tried to commit
        head_ = before;
        return found;
    }
    confirm();
    return found;
}

// inspect: called when the batch is whole but not committed; what it throws undoes the batch.
BatchReport Consumer::move(std::atomic<std::int64_t>* running, const std::function<void()>& inspect) {
    const lake::Head before = *head_;
    for (;;) {
        auto snapshot = source_.open(before.cursor);
        crash_point("batch.snapshot_taken");
        head_ = before;
        lake::BatchPlan next = plan(snapshot->cursor());
        if (mirrors_ != nullptr) {
            next.also = [&] {
                mirrors_->apply(next.batch);
                if (inspect) inspect();
            };
        }
        head_.reset();  // until the lake has answered we do not know its head
        is_in_doubt_ = true;
        BatchReport report{.batch = next.batch, .moved = {}};
        try {
            report.moved = lake_.append(next, snapshot->streams(), running);
        } catch (const mirror::TryAgain&) {
            // Not even tried to commit; with what the mirrors have learned it goes differently.
            mirrors_->rolled_back();
            is_in_doubt_ = false;
            continue;
        } catch (...) {
            if (mirrors_ != nullptr) mirrors_->rolled_back();
            throw;
        }
        is_in_doubt_ = false;
        if (mirrors_ != nullptr) {
            mirrors_->committed();
            report.copied_tables = mirrors_->copied_tables();
            report.copied_rows = mirrors_->copied_rows();
        }
        head_ = before;
        head_->cursor = next.cursor;
        head_->batch = next.batch;
        return report;
    }
}

void Consumer::begin() {
    if (head_) return;
    identity_ = source_.identity();
    if (!locked_ && !source_.lock(name_)) {
        throw Error(ErrorKind::running, fmt::format("another eider works as consumer '{}' of this source", name_),
                    "wait for it, or give this one a lake and a consumer name of its own");
    }
    locked_ = true;
    auto head = lake_.head(name_);
    if (!head) {
        throw Error(ErrorKind::lake_unavailable, fmt::format("this lake knows no consumer '{}'", name_),
                    "start it: eider init");
    }
    if (holds_ && head->epoch != head_epoch_) throw fenced();
    head_ = std::move(head);
    try {
        check_identity();
    } catch (...) {
        head_.reset();
        throw;
    }
}

void Consumer::check_identity() const {
    const SourceIdentity& known = head_->source;
    if (identity_.is_copy()) {
        throw Error(
            ErrorKind::source_changed,
            fmt::format(
                "database '{}' is a copy, made by a restored dump or a template, of one in which capture was installed",
                identity_.database),
            "give it a lake of its own: another catalog_schema and data_path, then eider init; or, if it takes the "
            "place of the original, "
            "go on in this lake with a gap: eider init --adopt");
    }
    if (known.system_identifier != identity_.system_identifier || known.database != identity_.database) {
        throw Error(
            ErrorKind::source_changed,
            fmt::format("this lake was filled from database '{}' of cluster {}, but the source is '{}' of cluster {}",
                        known.database, known.system_identifier, identity_.database, identity_.system_identifier),
            "a restored or copied database needs a lake of its own: give it another catalog_schema and data_path, then "
            "eider init");
    }
    if (known.installation != identity_.installation) {
        throw Error(
            ErrorKind::source_changed,
            fmt::format("this lake was filled from installation {}, but capture was installed anew as {}",
                        known.installation, identity_.installation),
            "what changed in between was not captured. Go on with a gap: eider init --adopt; or start a new lake");
    }
    const Snapshot cursor = Snapshot::parse(head_->cursor);
    if (const std::uint64_t next = source_.next_xid(); cursor.xmax > next) {
        throw Error(
            ErrorKind::source_changed,
            fmt::format("the lake has seen transactions up to {}, the source is only at {}: it was set back in time",
                        cursor.xmax - 1, next),
            "a database recovered to an earlier time needs a new lake: another catalog_schema and data_path, then "
            "eider init");
    }
    const auto confirmed = source_.confirmed(name_);
    if (confirmed && confirmed->is_beyond(head_->batch, cursor)) {
        throw Error(ErrorKind::source_changed,
                    fmt::format("the source has confirmed batch {} of consumer '{}', this lake has {}: it is "
                                "another lake, or an older copy",
                                confirmed->batch, name_, head_->batch),
                    "use the lake that has them; or start with a gap: eider init --adopt; or give this lake a consumer "
                    "name of its own");
    }
}

// From here on this process is the one that appends. A batch that failed may still arrive: a catalog carries out a COMMIT
// whose sender is gone (synchronous replication, a pooler, a slow network), and a new batch would be no obstacle to it.
// A takeover is: what was sent before it has arrived by then, or fails.
void Consumer::hold() {
    if (holds_ && !is_in_doubt_) return;
    holds_ = false;
    const auto confirmed = source_.confirmed(name_);
    const bool was_let_go = !is_in_doubt_ && confirmed && confirmed->let_go && confirmed->epoch == head_->epoch;
    std::string epoch = head_->epoch;
    const bool is_reused = was_let_go && source_.reclaim(name_, epoch);
    if (!is_reused) {
        epoch = random_uuid();
        crash_point("takeover.begin");
        lake_.take_over(name_, epoch);
    }
    // Batches of former holders may have come in since we looked; and a takeover by another.
    auto head = lake_.head(name_);
    if (!head || head->epoch != epoch) throw fenced();
    head_ = std::move(head);
    crash_point("takeover.before_claim");
    if (!is_reused) source_.claim(name_, epoch);
    crash_point("takeover.claimed");
    head_epoch_ = epoch;
    holds_ = true;
    is_in_doubt_ = false;
    if (confirmed && confirmed->batch < head_->batch) confirm();
}

lake::BatchPlan Consumer::plan(const std::string& cursor) const {
    return {.consumer = name_,
            .epoch = head_->epoch,
            .batch = head_->batch + 1,
            .cursor_before = head_->cursor,
            .cursor = cursor,
            .source = identity_,
            .also = {}};
}

void Consumer::confirm() {
    crash_point("batch.before_confirm");
    source_.confirm(name_, head_->cursor, head_->batch);
    crash_point("batch.confirmed");
}

}  // namespace eider::sync
