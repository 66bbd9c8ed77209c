#include "lake/rows.h"

#include <algorithm>
#include <utility>

#include <duckdb.h>
#include <fmt/format.h>

#include "lake/json_row.h"
#include "lake/vector_writer.h"

namespace eider::lake {
namespace {

constexpr const char* unfit_hint =
    "give the column a type that holds it, for instance type = { column = \"VARCHAR\" } in a [[table]] rule, then: "
    "eider resync";

std::string unfit(const RowColumn& column) {
    return fmt::format("a value of column {} does not fit {}", column.name, column.type.sql());
}

// Where the fields of the last row stood: those of the next one mostly stand there, too.
class FieldFinder {
public:
    explicit FieldFinder(const std::vector<RowColumn>& columns) : columns_(columns), places_(columns.size(), 0) {}

    bool read(std::string_view json) { return read_object(json, fields_); }

    // nullptr: there is no such field.
    const JsonValue* find(std::size_t column) {
        std::size_t& place = places_[column];
        if (place < fields_.size() && is(fields_[place], columns_[column].name)) return &fields_[place].value;
        for (place = 0; place < fields_.size(); ++place) {
            if (is(fields_[place], columns_[column].name)) return &fields_[place].value;
        }
        return nullptr;
    }

    // How the fields of the last row, all of which were looked for, relate to the columns: 0 they are the same, 1 in another
    // order, 2 others.
    std::int16_t difference() const {
        bool is_ordered = true;
        for (std::size_t i = 0; i < places_.size(); ++i) {
            if (places_[i] >= fields_.size()) return 2;
            is_ordered = is_ordered && places_[i] == i;
        }
        if (fields_.size() != places_.size()) return 2;
        return is_ordered ? 0 : 1;
    }

private:
    bool is(const JsonField& field, const std::string& name) {
        if (!field.name_has_escapes) return field.name == name;
        return unescape(field.name, plain_) && plain_ == name;
    }

    const std::vector<RowColumn>& columns_;
    std::vector<std::size_t> places_;
    std::vector<JsonField> fields_;
    std::string plain_;
};

std::string_view text_of(duckdb_string_t& text) {
    return {duckdb_string_t_data(&text), duckdb_string_t_length(text)};
}

const Type text_type{.kind = TypeKind::text};

}  // namespace

// The callbacks of both functions. None of them may let an exception through to C.
struct RowFunctions {
    struct Reader {
        RowStream* stream = nullptr;
    };

    static RowFeed& feed(void* extra_info) { return *static_cast<RowFeed*>(extra_info); }

    static void bind(duckdb_bind_info info) {
        const auto& columns = feed(duckdb_bind_get_extra_info(info)).columns_;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            duckdb_logical_type type = make_logical_type(columns[i].type);
            duckdb_bind_add_result_column(info, fmt::format("c{}", i).c_str(), type);
            duckdb_destroy_logical_type(&type);
        }
    }

    static void init(duckdb_init_info info) {
        duckdb_init_set_max_threads(info, std::max<idx_t>(1, feed(duckdb_init_get_extra_info(info)).streams_.size()));
    }

    static void init_thread(duckdb_init_info info) {
        duckdb_init_set_init_data(info, new Reader, [](void* reader) { delete static_cast<Reader*>(reader); });
    }

    static void read(duckdb_function_info info, duckdb_data_chunk chunk) {
        RowFeed& self = feed(duckdb_function_get_extra_info(info));
        try {
            fill(self, *static_cast<Reader*>(duckdb_function_get_local_init_data(info)), chunk);
        } catch (const std::exception& error) {
            self.fail(std::current_exception());
            duckdb_function_set_error(info, error.what());
        }
    }

    static void fill(RowFeed& self, Reader& reader, duckdb_data_chunk chunk) {
        std::vector<duckdb_vector> vectors;
        for (idx_t i = 0; i < self.columns_.size(); ++i) vectors.push_back(duckdb_data_chunk_get_vector(chunk, i));
        idx_t row = 0;
        std::size_t bytes = 0;
        // A few huge rows must not fill the memory of a whole vector of them.
        constexpr std::size_t chunk_bytes_max = 32 << 20;
        while (row < duckdb_vector_size() && bytes < chunk_bytes_max) {
            if (reader.stream == nullptr && (reader.stream = self.take()) == nullptr) break;
            const auto* cells = reader.stream->next();
            if (cells == nullptr) {
                reader.stream = nullptr;
                continue;
            }
            for (std::size_t i = 0; i < vectors.size(); ++i) {
                write(vectors[i], row, self.columns_[i], cells->at(i));
                bytes += (*cells)[i] ? (*cells)[i]->size() : 0;
            }
            ++row;
        }
        duckdb_data_chunk_set_size(chunk, row);
        const std::lock_guard lock(self.mutex_);
        self.rows_ += static_cast<std::int64_t>(row);
    }

    static void write(duckdb_vector vector, idx_t row, const RowColumn& column,
                      const std::optional<std::string_view>& cell) {
        if (!cell) return write_null(vector, row, column.type);
        bool fits = false;
        if (column.encoding == Encoding::binary) {
            fits = write_binary(vector, row, column.type, *cell);
        } else {
            JsonValue value;
            fits = read_json(*cell, value) && write_json(vector, row, column.type, value);
        }
        if (!fits) throw Error(ErrorKind::unrepresentable, unfit(column), unfit_hint);
    }

    // --- eider_row_N(data) ---

    static void convert(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
        try {
            const auto& columns = *static_cast<std::vector<RowColumn>*>(duckdb_scalar_function_get_extra_info(info));
            FieldFinder fields(columns);
            const duckdb_vector data = duckdb_data_chunk_get_vector(input, 0);
            auto* texts = static_cast<duckdb_string_t*>(duckdb_vector_get_data(data));
            auto* validity = duckdb_vector_get_validity(data);
            const idx_t rows = duckdb_data_chunk_get_size(input);
            for (idx_t row = 0; row < rows; ++row) {
                const bool is_null = validity != nullptr && !duckdb_validity_row_is_valid(validity, row);
                convert_row(columns, fields, output, row, is_null ? std::string_view("{}") : text_of(texts[row]));
            }
        } catch (const std::exception& error) {
            duckdb_scalar_function_set_error(info, error.what());
        }
    }

    static void convert_row(const std::vector<RowColumn>& columns, FieldFinder& fields, duckdb_vector output, idx_t row,
                            std::string_view json) {
        std::optional<std::string> wrong;
        if (!fields.read(json)) {
            wrong = "a captured row is not a JSON object";
            fields.read("{}");
        }
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const duckdb_vector vector = duckdb_struct_vector_get_child(output, i);
            const JsonValue* value = fields.find(i);
            if (value == nullptr) {
                write_null(vector, row, columns[i].type);
            } else if (!write_json(vector, row, columns[i].type, *value)) {
                wrong = unfit(columns[i]);
            }
        }
        const duckdb_vector message = duckdb_struct_vector_get_child(output, columns.size());
        if (wrong) {
            duckdb_vector_assign_string_element_len(message, row, wrong->data(), wrong->size());
        } else {
            write_null(message, row, text_type);
        }
        const duckdb_vector differs = duckdb_struct_vector_get_child(output, columns.size() + 1);
        static_cast<std::int16_t*>(duckdb_vector_get_data(differs))[row] = fields.difference();
    }
};

RowFeed::RowFeed(Session& session) : session_(session) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "eider_rows");
    duckdb_table_function_set_extra_info(function, this, nullptr);
    duckdb_table_function_set_bind(function, RowFunctions::bind);
    duckdb_table_function_set_init(function, RowFunctions::init);
    duckdb_table_function_set_local_init(function, RowFunctions::init_thread);
    duckdb_table_function_set_function(function, RowFunctions::read);
    const duckdb_state state =
        duckdb_register_table_function(static_cast<duckdb_connection>(session.handle()), function);
    duckdb_destroy_table_function(&function);
    if (state == DuckDBError) throw Error(ErrorKind::internal, "DuckDB does not take the function eider_rows");
}

void RowFeed::load(std::vector<RowColumn> columns, RowStreams streams) {
    const std::lock_guard lock(mutex_);
    columns_ = std::move(columns);
    streams_ = std::move(streams);
    taken_ = 0;
    rows_ = 0;
    error_ = nullptr;
}

void RowFeed::finish() {
    const std::lock_guard lock(mutex_);
    streams_.clear();
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::string RowFeed::row_function(const std::vector<RowColumn>& columns) {
    const auto known =
        std::find_if(functions_.begin(), functions_.end(), [&](const Function& f) { return f.columns == columns; });
    if (known != functions_.end()) return known->name;
    const std::string name = fmt::format("eider_row_{}", made_++);

    Type result{.kind = TypeKind::structure};
    for (std::size_t i = 0; i < columns.size(); ++i) result.fields.push_back({fmt::format("c{}", i), columns[i].type});
    result.fields.push_back({"wrong", text_type});
    result.fields.push_back({"differs", {.kind = TypeKind::int16}});
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(function, name.c_str());
    duckdb_logical_type json = make_logical_type({.kind = TypeKind::json});
    duckdb_scalar_function_add_parameter(function, json);
    duckdb_destroy_logical_type(&json);
    duckdb_logical_type type = make_logical_type(result);
    duckdb_scalar_function_set_return_type(function, type);
    duckdb_destroy_logical_type(&type);
    // A row without a value (NULL) is a row of NULLs, not NULL.
    duckdb_scalar_function_set_special_handling(function);
    duckdb_scalar_function_set_extra_info(function, new std::vector<RowColumn>(columns),
                                          [](void* extra) { delete static_cast<std::vector<RowColumn>*>(extra); });
    duckdb_scalar_function_set_function(function, RowFunctions::convert);
    const duckdb_state state =
        duckdb_register_scalar_function(static_cast<duckdb_connection>(session_.handle()), function);
    duckdb_destroy_scalar_function(&function);
    if (state == DuckDBError) throw Error(ErrorKind::internal, "DuckDB does not take the function " + name);
    functions_.push_back({.columns = columns, .name = name});
    return name;
}

RowStream* RowFeed::take() {
    const std::lock_guard lock(mutex_);
    return taken_ < streams_.size() ? streams_[taken_++].get() : nullptr;
}

void RowFeed::fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (error_ == nullptr) error_ = std::move(error);
}

}  // namespace eider::lake
