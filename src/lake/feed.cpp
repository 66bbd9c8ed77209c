#include "lake/feed.h"

#include <algorithm>
#include <array>
#include <utility>

#include <duckdb.h>
#include <fmt/format.h>

#include "base/ids.h"
#include "base/text.h"

namespace eider::lake {
namespace {

struct Column {
    const char* name;
    duckdb_type type;
    bool json = false;
};

constexpr std::array columns{
    Column{"cdc_uuid", DUCKDB_TYPE_UUID},        Column{"cdc_ts", DUCKDB_TYPE_TIMESTAMP_TZ},
    Column{"cdc_op", DUCKDB_TYPE_VARCHAR},       Column{"table_schema", DUCKDB_TYPE_VARCHAR},
    Column{"table_name", DUCKDB_TYPE_VARCHAR},   Column{"data", DUCKDB_TYPE_VARCHAR, true},
    Column{"seq", DUCKDB_TYPE_BIGINT},           Column{"xid", DUCKDB_TYPE_BIGINT},
    Column{"before", DUCKDB_TYPE_VARCHAR, true}, Column{"context", DUCKDB_TYPE_VARCHAR, true},
    Column{"nested", DUCKDB_TYPE_BOOLEAN},       Column{"rel", DUCKDB_TYPE_BIGINT},
};

// Writes rows into the vectors of one chunk.
class ChunkWriter {
public:
    explicit ChunkWriter(duckdb_data_chunk chunk) : chunk_(chunk) {
        for (std::size_t i = 0; i < columns.size(); ++i) vectors_[i] = duckdb_data_chunk_get_vector(chunk, i);
    }

    void write(const Event& event) {
        // DuckDB orders UUIDs as signed numbers: it stores them with the top bit flipped.
        const Uuid uuid = event_uuid(event.ts_us, event.seq);
        set(0, duckdb_hugeint{.lower = uuid.low, .upper = static_cast<int64_t>(uuid.high ^ (1ULL << 63))});
        set(1, event.ts_us);
        text(2, std::string_view(&event.op, 1));
        text(3, event.table_schema);
        text(4, event.table_name);
        text(5, event.data);
        set(6, event.seq);
        set(7, static_cast<std::int64_t>(event.xid));
        text(8, event.before);
        text(9, event.context);
        set(10, event.nested);
        set(11, static_cast<std::int64_t>(event.rel));
        ++rows_;
    }

    void finish() { duckdb_data_chunk_set_size(chunk_, rows_); }
    idx_t rows() const { return rows_; }

private:
    template <typename Value>
    void set(std::size_t column, Value value) {
        static_cast<Value*>(duckdb_vector_get_data(vectors_[column]))[rows_] = value;
    }

    void text(std::size_t column, std::optional<std::string_view> value) {
        if (!value) {
            duckdb_vector_ensure_validity_writable(vectors_[column]);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vectors_[column]), rows_);
            return;
        }
        if (duckdb_error_data bad = duckdb_valid_utf8_check(value->data(), value->size()); bad != nullptr) {
            duckdb_destroy_error_data(&bad);
            throw Error(ErrorKind::unrepresentable,
                        fmt::format("column {} of a change holds text that is not UTF-8", columns[column].name),
                        "the database's encoding is SQL_ASCII or its data is damaged: convert it to UTF8, or exclude "
                        "the column");
        }
        std::optional<std::string> mended;
        if (columns[column].json && (mended = without_half_surrogates(*value))) value = *mended;
        duckdb_unsafe_vector_assign_string_element_len(vectors_[column], rows_, value->data(), value->size());
    }

    duckdb_data_chunk chunk_;
    std::array<duckdb_vector, columns.size()> vectors_{};
    idx_t rows_ = 0;
};

// Counts events by table; neighbours mostly belong to the same one.
class TableCounter {
public:
    explicit TableCounter(FeedCounts& counts) : counts_(counts) {}

    void count(const Event& event) {
        if (current_ == nullptr || event.table_name != name_ || event.table_schema != schema_) {
            schema_ = event.table_schema;
            name_ = event.table_name;
            current_ = &counts_.events[{schema_, name_}];
        }
        ++*current_;
    }

private:
    FeedCounts& counts_;
    std::string schema_;
    std::string name_;
    std::int64_t* current_ = nullptr;
};

}  // namespace

// The callbacks of the table function. None of them may let an exception through to C.
struct FeedFunctions {
    // One a thread of DuckDB: the stream that it reads now.
    struct Reader {
        EventStream* stream = nullptr;
    };

    static Feed& feed(void* extra_info) { return *static_cast<Feed*>(extra_info); }

    static void bind(duckdb_bind_info info) {
        for (const auto& column : columns) {
            duckdb_logical_type type = duckdb_create_logical_type(column.type);
            // JSON is VARCHAR under another name; the alias spares a cast that would parse every document.
            if (column.json) duckdb_logical_type_set_alias(type, "JSON");
            duckdb_bind_add_result_column(info, column.name, type);
            duckdb_destroy_logical_type(&type);
        }
    }

    static void init(duckdb_init_info info) {
        Feed& self = feed(duckdb_init_get_extra_info(info));
        duckdb_init_set_max_threads(info, std::max<idx_t>(1, self.streams_.size()));
    }

    static void init_thread(duckdb_init_info info) {
        duckdb_init_set_init_data(info, new Reader, [](void* reader) { delete static_cast<Reader*>(reader); });
    }

    static void read(duckdb_function_info info, duckdb_data_chunk chunk) {
        Feed& self = feed(duckdb_function_get_extra_info(info));
        auto* reader = static_cast<Reader*>(duckdb_function_get_local_init_data(info));
        try {
            fill(self, *reader, chunk);
        } catch (const std::exception& error) {
            self.fail(std::current_exception());
            duckdb_function_set_error(info, error.what());
        }
    }

    static void fill(Feed& self, Reader& reader, duckdb_data_chunk chunk) {
        ChunkWriter writer(chunk);
        FeedCounts counts;
        TableCounter tables(counts);
        const idx_t room = duckdb_vector_size();
        // A few huge rows must not fill the memory of a whole vector of them.
        constexpr std::int64_t chunk_bytes_max = 32 << 20;
        while (writer.rows() < room && counts.bytes < chunk_bytes_max) {
            if (reader.stream == nullptr && (reader.stream = self.take()) == nullptr) break;
            const Event* event = reader.stream->next();
            if (event == nullptr) {
                reader.stream = nullptr;
                continue;
            }
            writer.write(*event);
            tables.count(*event);
            counts.bytes +=
                static_cast<std::int64_t>(event->data.value_or("").size() + event->before.value_or("").size());
            counts.oldest_ts_us = std::min(counts.oldest_ts_us, event->ts_us);
        }
        writer.finish();
        self.count(counts);
    }
};

std::int64_t FeedCounts::total() const {
    std::int64_t total = 0;
    for (const auto& [table, count] : events) total += count;
    return total;
}

Feed::Feed(Session& session) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "eider_feed");
    duckdb_table_function_set_extra_info(function, this, nullptr);
    duckdb_table_function_set_bind(function, FeedFunctions::bind);
    duckdb_table_function_set_init(function, FeedFunctions::init);
    duckdb_table_function_set_local_init(function, FeedFunctions::init_thread);
    duckdb_table_function_set_function(function, FeedFunctions::read);
    const duckdb_state state =
        duckdb_register_table_function(static_cast<duckdb_connection>(session.handle()), function);
    duckdb_destroy_table_function(&function);
    if (state == DuckDBError) throw Error(ErrorKind::internal, "DuckDB does not take the function eider_feed");
}

void Feed::load(EventStreams streams, std::atomic<std::int64_t>* running) {
    const std::lock_guard lock(mutex_);
    streams_ = std::move(streams);
    taken_ = 0;
    error_ = nullptr;
    counts_ = {};
    running_ = running;
}

void Feed::finish() {
    const std::lock_guard lock(mutex_);
    streams_.clear();
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

EventStream* Feed::take() {
    const std::lock_guard lock(mutex_);
    return taken_ < streams_.size() ? streams_[taken_++].get() : nullptr;
}

void Feed::count(const FeedCounts& chunk) {
    const std::lock_guard lock(mutex_);
    counts_.bytes += chunk.bytes;
    counts_.oldest_ts_us = std::min(counts_.oldest_ts_us, chunk.oldest_ts_us);
    for (const auto& [table, events] : chunk.events) counts_.events[table] += events;
    if (running_ != nullptr) *running_ += chunk.total();
}

void Feed::fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (error_ == nullptr) error_ = std::move(error);
}

}  // namespace eider::lake
