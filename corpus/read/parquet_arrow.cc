// Arrow C++ behind its C face (parquet.h). One row group is read after the other, in batches of rows that hold a few MiB, pages through a buffered stream, so
// that nothing is ever whole in memory but a page and a batch; and all of that comes from a pool with a limit, for what a file says of its sizes may be lies.
extern "C" {
#include "base/json.h"
#include "corpus/read/parquet.h"
#include "corpus/read/table_columns.h"
}

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace
{

constexpr int64_t BATCH_BYTES = 4 << 20, BATCH_ROWS_MAX = 1024, STREAM_BYTES = 1 << 20, ROWS_MAX = int64_t(1) << 56;
constexpr int DEPTH_MAX = 16; // of lists and structs in each other

// --- what Arrow gets from us ----------------------------------------------------------------------------------------------------------

// The system's memory up to a limit.
class LimitedPool : public arrow::MemoryPool
{
  public:
    explicit LimitedPool(uint64_t limit) : limit_(int64_t(std::min<uint64_t>(limit, INT64_MAX)))
    {
    }
    arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t **out) override
    {
        ARROW_RETURN_NOT_OK(admit(size));
        ARROW_RETURN_NOT_OK(system_->Allocate(size, alignment, out));
        now_ += size;
        total_ += size;
        count_++;
        return arrow::Status::OK();
    }
    arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t **bytes) override
    {
        ARROW_RETURN_NOT_OK(admit(new_size)); // both are there while one is copied
        ARROW_RETURN_NOT_OK(system_->Reallocate(old_size, new_size, alignment, bytes));
        now_ += new_size - old_size;
        total_ += std::max<int64_t>(new_size - old_size, 0);
        count_++;
        return arrow::Status::OK();
    }
    void Free(uint8_t *bytes, int64_t size, int64_t alignment) override
    {
        system_->Free(bytes, size, alignment);
        now_ -= size;
    }
    int64_t bytes_allocated() const override
    {
        return now_;
    }
    int64_t total_bytes_allocated() const override
    {
        return total_;
    }
    int64_t num_allocations() const override
    {
        return count_;
    }
    std::string backend_name() const override
    {
        return "limited";
    }
    // Whether something was refused since the last call.
    bool take_refused()
    {
        bool refused = refused_;
        refused_ = false;
        return refused;
    }

  private:
    arrow::Status admit(int64_t size)
    {
        if (size >= 0 && size <= limit_ - now_)
            return arrow::Status::OK();
        refused_ = true;
        return arrow::Status::OutOfMemory("it takes more than ", limit_ >> 20, " MiB of memory");
    }
    arrow::MemoryPool *system_ = arrow::system_memory_pool();
    int64_t limit_, now_ = 0, total_ = 0, count_ = 0;
    bool refused_ = false;
};

class Source : public arrow::io::RandomAccessFile
{
  public:
    Source(const parquet_source &source, arrow::MemoryPool *pool) : source_(source), pool_(pool)
    {
    }
    q_status status() const // the machine's failure
    {
        return status_;
    }
    arrow::Result<int64_t> ReadAt(int64_t position, int64_t size, void *out) override
    {
        if (position < 0 || size < 0 || uint64_t(position) > source_.size)
            return arrow::Status::IOError("a place outside of the file");
        size = std::min(size, int64_t(source_.size) - position);
        if (size > 0 && !source_.read(source_.context, uint64_t(position), out, size_t(size), &status_))
            return arrow::Status::IOError("the file cannot be read");
        return size;
    }
    arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t size) override
    {
        size = std::min(size, int64_t(source_.size) - std::min(position, int64_t(source_.size)));
        if (position < 0 || size < 0)
            return arrow::Status::IOError("a place outside of the file");
        ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(size, pool_));
        ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position, size, buffer->mutable_data()));
        ARROW_RETURN_NOT_OK(buffer->Resize(got, false));
        return std::shared_ptr<arrow::Buffer>(std::move(buffer));
    }
    arrow::Result<int64_t> Read(int64_t size, void *out) override
    {
        ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(at_, size, out));
        at_ += got;
        return got;
    }
    arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t size) override
    {
        ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, size));
        at_ += buffer->size();
        return buffer;
    }
    arrow::Result<int64_t> GetSize() override
    {
        return int64_t(source_.size);
    }
    arrow::Result<int64_t> Tell() const override
    {
        return at_;
    }
    arrow::Status Seek(int64_t position) override
    {
        at_ = position;
        return arrow::Status::OK();
    }
    arrow::Status Close() override
    {
        closed_ = true;
        return arrow::Status::OK();
    }
    bool closed() const override
    {
        return closed_;
    }

  private:
    parquet_source source_;
    arrow::MemoryPool *pool_;
    int64_t at_ = 0;
    bool closed_ = false;
    q_status status_ = Q_OK;
};

// --- types ----------------------------------------------------------------------------------------------------------------------------

// Whether a text can be taken from the column: bytes too.
bool is_text(const arrow::DataType &type)
{
    switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
        return true;
    case arrow::Type::DICTIONARY:
        return is_text(*static_cast<const arrow::DictionaryType &>(type).value_type());
    case arrow::Type::EXTENSION:
        return is_text(*static_cast<const arrow::ExtensionType &>(type).storage_type());
    default:
        return false;
    }
}

// Whether values of the type can be members.
bool is_member(const arrow::DataType &type, int depth = 0)
{
    switch (type.id()) {
    case arrow::Type::NA:
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIMESTAMP:
        return true;
    case arrow::Type::DICTIONARY:
        return is_member(*static_cast<const arrow::DictionaryType &>(type).value_type(), depth + 1);
    case arrow::Type::EXTENSION:
        return is_member(*static_cast<const arrow::ExtensionType &>(type).storage_type(), depth + 1);
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
        for (const auto &field : type.fields())
            if (depth >= DEPTH_MAX || !is_member(*field->type(), depth + 1))
                return false;
        return true;
    default:
        return false;
    }
}

// --- values as JSON -------------------------------------------------------------------------------------------------------------------

q_string to_string(std::string_view view)
{
    return {view.data(), view.size()};
}

// A line that grows beyond `max` is of no use: what makes it grow stops soon after, for few bytes can stand for very many.
q_status put_text(std::string_view text, uint64_t max, q_buffer *out)
{
    Q_TRY(q_buffer_append_byte(out, '"'));
    Q_TRY(q_json_append_escaped(out, to_string(text.substr(0, size_t(max) + 1))));
    return q_buffer_append_byte(out, '"');
}

q_status put_double(double value, q_buffer *out)
{
    q_json json = q_json_begin(out);
    q_json_put_double(&json, nullptr, value);
    return q_json_end(&json);
}

// The decimal that reads back as the same float, not the longer one of the double that it is equal to.
q_status put_float(float value, q_buffer *out)
{
    char text[32];
    double same = value;
    auto end = std::to_chars(text, text + sizeof text, value).ptr;
    if (value - value == 0) // finite
        std::from_chars(text, end, same);
    return put_double(same, out);
}

int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

// What that leaves: 0 to b - 1.
int64_t floor_rest(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

// "2024-05-18" of days since 1970-01-01, by the Gregorian calendar in both directions (H. Hinnant, "chrono-compatible low-level date algorithms").
q_status put_day(int64_t days, q_buffer *out)
{
    const int64_t shifted = days + 719468, era = floor_divide(shifted, 146097), day_of_era = shifted - era * 146097;
    const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * day_of_year + 2) / 153, number = month < 10 ? month + 3 : month - 9;
    const int64_t year = year_of_era + era * 400 + (number <= 2);
    return q_buffer_printf(out, "%s%04lld-%02lld-%02lld", year < 0 ? "-" : "", (long long)(year < 0 ? -year : year),
                           (long long)number, (long long)(day_of_year - (153 * month + 2) / 5 + 1));
}

q_status put_timestamp(int64_t value, const arrow::TimestampType &type, q_buffer *out)
{
    static const int digits[] = {0, 3, 6, 9};
    static const int64_t units[] = {1, 1000, 1000000, 1000000000};
    const int unit = int(type.unit());
    const int64_t seconds = floor_divide(value, units[unit]), fraction = floor_rest(value, units[unit]);
    const int64_t days = floor_divide(seconds, 86400), second = floor_rest(seconds, 86400);
    Q_TRY(q_buffer_append_byte(out, '"'));
    Q_TRY(put_day(days, out));
    Q_TRY(q_buffer_printf(out, "T%02d:%02d:%02d", int(second / 3600), int(second / 60 % 60), int(second % 60)));
    if (fraction)
        Q_TRY(q_buffer_printf(out, ".%0*lld", digits[unit], (long long)fraction));
    return q_buffer_append_string(out, type.timezone().empty() ? Q_STRING("\"") : Q_STRING("Z\""));
}

q_status put_date(int64_t days, q_buffer *out)
{
    Q_TRY(q_buffer_append_byte(out, '"'));
    Q_TRY(put_day(days, out));
    return q_buffer_append_byte(out, '"');
}

q_status put_integer(int64_t value, q_buffer *out)
{
    return q_buffer_printf(out, "%lld", (long long)value);
}

q_status put_value(const arrow::Array &array, int64_t i, uint64_t max, q_buffer *out);

q_status put_list(const arrow::Array &values, int64_t from, int64_t count, uint64_t max, q_buffer *out)
{
    Q_TRY(q_buffer_append_byte(out, '['));
    for (int64_t i = 0; i < count && out->size <= max; i++) {
        if (i)
            Q_TRY(q_buffer_append_byte(out, ','));
        Q_TRY(put_value(values, from + i, max, out));
    }
    return q_buffer_append_byte(out, ']');
}

q_status put_struct(const arrow::StructArray &array, int64_t i, uint64_t max, q_buffer *out)
{
    const auto &fields = array.struct_type()->fields();
    Q_TRY(q_buffer_append_byte(out, '{'));
    for (int k = 0; k < array.num_fields() && out->size <= max; k++) {
        if (k)
            Q_TRY(q_buffer_append_byte(out, ','));
        Q_TRY(put_text(fields[size_t(k)]->name(), max, out));
        Q_TRY(q_buffer_append_byte(out, ':'));
        Q_TRY(put_value(*array.field(k), i, max, out));
    }
    return q_buffer_append_byte(out, '}');
}

template <typename T> const T &as(const arrow::Array &array)
{
    return static_cast<const T &>(array);
}

q_status put_number(const arrow::Array &array, int64_t i, q_buffer *out)
{
    switch (array.type_id()) {
    case arrow::Type::INT8:
        return put_integer(as<arrow::Int8Array>(array).Value(i), out);
    case arrow::Type::INT16:
        return put_integer(as<arrow::Int16Array>(array).Value(i), out);
    case arrow::Type::INT32:
        return put_integer(as<arrow::Int32Array>(array).Value(i), out);
    case arrow::Type::INT64:
        return put_integer(as<arrow::Int64Array>(array).Value(i), out);
    case arrow::Type::UINT8:
        return put_integer(as<arrow::UInt8Array>(array).Value(i), out);
    case arrow::Type::UINT16:
        return put_integer(as<arrow::UInt16Array>(array).Value(i), out);
    case arrow::Type::UINT32:
        return put_integer(as<arrow::UInt32Array>(array).Value(i), out);
    case arrow::Type::UINT64:
        return q_buffer_printf(out, "%llu", (unsigned long long)as<arrow::UInt64Array>(array).Value(i));
    case arrow::Type::FLOAT:
        return put_float(as<arrow::FloatArray>(array).Value(i), out);
    case arrow::Type::DOUBLE:
        return put_double(as<arrow::DoubleArray>(array).Value(i), out);
    case arrow::Type::DECIMAL128:
        return q_buffer_append_string(out, to_string(as<arrow::Decimal128Array>(array).FormatValue(i)));
    default:
        return q_buffer_append_string(out, to_string(as<arrow::Decimal256Array>(array).FormatValue(i)));
    }
}

// Of the types that is_member and is_text name, and no others.
q_status put_value(const arrow::Array &array, int64_t i, uint64_t max, q_buffer *out)
{
    if (array.IsNull(i))
        return q_buffer_append_string(out, Q_STRING("null"));
    switch (array.type_id()) {
    case arrow::Type::BOOL:
        return q_buffer_append_string(out,
                                      as<arrow::BooleanArray>(array).Value(i) ? Q_STRING("true") : Q_STRING("false"));
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
        return put_text(as<arrow::BinaryArray>(array).GetView(i), max, out);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
        return put_text(as<arrow::LargeBinaryArray>(array).GetView(i), max, out);
    case arrow::Type::STRING_VIEW:
        return put_text(as<arrow::BinaryViewArray>(array).GetView(i), max, out);
    case arrow::Type::DATE32:
        return put_date(as<arrow::Date32Array>(array).Value(i), out);
    case arrow::Type::DATE64:
        return put_date(floor_divide(as<arrow::Date64Array>(array).Value(i), 86400000), out);
    case arrow::Type::TIMESTAMP:
        return put_timestamp(as<arrow::TimestampArray>(array).Value(i),
                             static_cast<const arrow::TimestampType &>(*array.type()), out);
    case arrow::Type::LIST:
        return put_list(*as<arrow::ListArray>(array).values(), as<arrow::ListArray>(array).value_offset(i),
                        as<arrow::ListArray>(array).value_length(i), max, out);
    case arrow::Type::LARGE_LIST:
        return put_list(*as<arrow::LargeListArray>(array).values(), as<arrow::LargeListArray>(array).value_offset(i),
                        as<arrow::LargeListArray>(array).value_length(i), max, out);
    case arrow::Type::FIXED_SIZE_LIST:
        return put_list(*as<arrow::FixedSizeListArray>(array).values(),
                        as<arrow::FixedSizeListArray>(array).value_offset(i),
                        as<arrow::FixedSizeListArray>(array).value_length(i), max, out);
    case arrow::Type::STRUCT:
        return put_struct(as<arrow::StructArray>(array), i, max, out);
    case arrow::Type::DICTIONARY:
        return put_value(*as<arrow::DictionaryArray>(array).dictionary(),
                         as<arrow::DictionaryArray>(array).GetValueIndex(i), max, out);
    case arrow::Type::EXTENSION:
        return put_value(*as<arrow::ExtensionArray>(array).storage(), i, max, out);
    default:
        return put_number(array, i, out);
    }
}

} // namespace

// --- the file -------------------------------------------------------------------------------------------------------------------------

struct parquet_file {
    LimitedPool pool; // outlives all that comes from it
    std::shared_ptr<Source> source;
    std::unique_ptr<parquet::arrow::FileReader> reader;
    table_columns columns = {};
    std::vector<size_t> read;     // which columns, in the order of a batch
    std::vector<int> leaves;      // of Parquet, below them
    std::vector<size_t> left_out; // columns
    size_t said = 0;              // of these
    std::vector<int64_t> rows;    // of each row group
    int64_t all_rows = 0;
    // the row group at hand
    size_t group = 0;
    int64_t group_row = 0, row = 0; // its first row, and the next one to read
    std::unique_ptr<arrow::RecordBatchReader> batches;
    std::shared_ptr<arrow::RecordBatch> batch;
    int64_t batch_row = 0;

    uint64_t line_max;
    int64_t unpacked = 0; // what the pool had given out when the row group began

    parquet_file(uint64_t limit, uint64_t line) : pool(limit), line_max(line)
    {
    }
    ~parquet_file()
    {
        table_columns_release(&columns);
    }
};

namespace
{

void say(parquet_result *result, const char *reason, const std::string &what)
{
    result->reason = reason;
    std::snprintf(result->note, sizeof result->note, "%s", what.c_str());
    std::replace(result->note, result->note + std::strlen(result->note), '\n', ' ');
}

// Why Arrow failed: the machine's failure is returned, the file's goes to `result`.
q_status judge(parquet_file *file, const arrow::Status &status, parquet_result *result)
{
    if (file->source->status() != Q_OK)
        return file->source->status();
    const bool refused = file->pool.take_refused();
    if (status.IsOutOfMemory() && !refused)
        return q_fail(Q_ERR_MEMORY, "out of memory for a Parquet file");
    say(result, refused ? "too-large" : "parquet-damaged", status.message());
    return Q_OK;
}

void find_leaves(const parquet::arrow::SchemaField &field, std::vector<int> &leaves)
{
    if (field.is_leaf())
        leaves.push_back(field.column_index);
    for (const auto &child : field.children)
        find_leaves(child, leaves);
}

// Which columns are read, and which are not.
q_status choose_columns(parquet_file *file, const char *text_field, parquet_result *result)
{
    const auto &fields = file->reader->manifest().schema_fields;
    size_t text;
    for (const auto &field : fields)
        Q_TRY(table_columns_add(&file->columns, to_string(field.field->name())));
    Q_TRY(table_columns_judge(&file->columns, text_field, result->note, sizeof result->note, &result->reason, &text));
    if (result->reason)
        return Q_OK;
    if (!is_text(*fields[text].field->type())) {
        say(result, "no-text-column",
            "column '" + std::string(text_field) + "' holds " + fields[text].field->type()->ToString() + ", no text");
        return Q_OK;
    }
    for (size_t i = 0; i < fields.size(); i++) {
        const bool named = file->columns.items[i].member_size > 0;
        if (i == text || (named && is_member(*fields[i].field->type()))) {
            file->read.push_back(i);
            find_leaves(fields[i], file->leaves);
        } else {
            file->left_out.push_back(i);
        }
    }
    return Q_OK;
}

// The rows of each group; false where no file could have so many.
bool count_rows(parquet_file *file)
{
    const auto metadata = file->reader->parquet_reader()->metadata();
    for (int i = 0; i < metadata->num_row_groups(); i++) {
        const int64_t rows = metadata->RowGroup(i)->num_rows();
        if (rows < 0 || rows > ROWS_MAX - file->all_rows)
            return false;
        file->rows.push_back(rows);
        file->all_rows += rows;
    }
    return true;
}

// The footer's size stands in the last 8 bytes; what it says becomes objects many times as large, which no pool counts.
q_status check_footer(const parquet_source *source, parquet_result *result)
{
    unsigned char end[8];
    q_status status = Q_OK;
    if (source->size < 12)
        return say(result, "parquet-damaged", "it is too short"), Q_OK;
    if (!source->read(source->context, source->size - sizeof end, end, sizeof end, &status))
        return status;
    const uint32_t size = uint32_t(end[0]) | uint32_t(end[1]) << 8 | uint32_t(end[2]) << 16 | uint32_t(end[3]) << 24;
    if (std::memcmp(end + 4, "PAR1", 4) != 0)
        say(result, "parquet-damaged",
            std::memcmp(end + 4, "PARE", 4) ? "it does not end as Parquet does" : "it is encrypted");
    else if (size > PARQUET_FOOTER_BYTES_MAX)
        say(result, "parquet-damaged", "its footer says to be of " + std::to_string(size) + " bytes");
    return Q_OK;
}

q_status open_file(parquet_file *file, const parquet_options *options, parquet_result *result)
{
    parquet::ReaderProperties properties(&file->pool);
    properties.enable_buffered_stream();
    properties.set_buffer_size(STREAM_BYTES);
    properties.set_thrift_string_size_limit(PARQUET_FOOTER_BYTES_MAX);
    parquet::ArrowReaderProperties arrow_properties(false);
    arrow_properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    auto status = builder.Open(file->source, properties);
    if (status.ok()) {
        builder.memory_pool(&file->pool);
        builder.properties(arrow_properties);
        status = builder.Build(&file->reader);
    }
    if (!status.ok())
        return judge(file, status, result);
    if (!count_rows(file))
        return say(result, "parquet-damaged", "it says to have more rows than any file has"), Q_OK;
    return choose_columns(file, options->text_field, result);
}

// As many rows as come to BATCH_BYTES, by what the footer says of the group.
int64_t batch_rows(const parquet_file *file)
{
    const auto group = file->reader->parquet_reader()->metadata()->RowGroup(int(file->group));
    double bytes = 1;
    for (int leaf : file->leaves)
        bytes += double(std::max<int64_t>(group->ColumnChunk(leaf)->total_uncompressed_size(), 0));
    const double rows = double(BATCH_BYTES) * double(file->rows[file->group]) / bytes;
    return int64_t(std::clamp(rows, 1.0, double(BATCH_ROWS_MAX)));
}

arrow::Status next_batch(parquet_file *file)
{
    if (!file->batches) {
        file->reader->set_batch_size(batch_rows(file));
        ARROW_ASSIGN_OR_RAISE(file->batches, file->reader->GetRecordBatchReader({int(file->group)}, file->leaves));
    }
    do
        ARROW_RETURN_NOT_OK(file->batches->ReadNext(&file->batch));
    while (file->batch && file->batch->num_rows() == 0);
    file->batch_row = 0;
    if (!file->batch)
        return arrow::Status::Invalid("its row group ends too soon");
    if (size_t(file->batch->num_columns()) != file->read.size())
        return arrow::Status::Invalid("its row group has other columns");
    return file->batch->Validate();
}

void leave_group(parquet_file *file)
{
    file->batch.reset();
    file->batches.reset();
    file->unpacked = file->pool.total_bytes_allocated();
    file->group_row += file->rows[file->group++];
    file->row = file->group_row;
}

// The rest of the row group cannot be read.
void give_up(parquet_file *file, parquet_result *result)
{
    result->step = PARQUET_BAD;
    result->unpacked = uint64_t(std::max<int64_t>(file->pool.total_bytes_allocated() - file->unpacked, 0));
    leave_group(file);
}

q_status put_row(parquet_file *file, q_buffer *line)
{
    const size_t begin = line->size;
    for (size_t k = 0; k < file->read.size(); k++) {
        Q_TRY(q_buffer_append_string(line, table_column_member(&file->columns, file->read[k])));
        Q_TRY(put_value(*file->batch->column(int(k)), file->batch_row, file->line_max, line));
    }
    line->data[begin] = '{';
    return q_buffer_append_byte(line, '}');
}

q_status next_row(parquet_file *file, q_buffer *line, parquet_result *result)
{
    while (file->group < file->rows.size() && file->row == file->group_row + file->rows[file->group])
        leave_group(file);
    result->row = uint64_t(file->row);
    result->step = PARQUET_END;
    if (file->group == file->rows.size()) {
        if (file->said == file->left_out.size())
            return Q_OK;
        const q_string name = table_column_name(&file->columns, file->left_out[file->said++]);
        say(result, "column", std::string(name.data, name.size));
        result->step = PARQUET_LEFT_OUT;
        return Q_OK;
    }
    if (!file->batch || file->batch_row == file->batch->num_rows()) {
        auto status = next_batch(file);
        if (!status.ok()) {
            Q_TRY(judge(file, status, result));
            give_up(file, result);
            return Q_OK;
        }
    }
    result->step = PARQUET_ROW;
    Q_TRY(put_row(file, line));
    file->batch_row++;
    file->row++;
    return Q_OK;
}

// Runs what Arrow may throw out of: q_status of it, or what was thrown as a damage of the file.
template <typename Work> q_status guarded(parquet_result *result, Work work)
{
    try {
        return work();
    } catch (const std::bad_alloc &) {
        return q_fail(Q_ERR_MEMORY, "out of memory for a Parquet file");
    } catch (const std::exception &exception) {
        say(result, "parquet-damaged", exception.what());
    } catch (...) {
        say(result, "parquet-damaged", "it cannot be read");
    }
    return Q_OK;
}

} // namespace

extern "C" q_status parquet_open(const struct parquet_source *source, const struct parquet_options *options,
                                 struct parquet_file **out, struct parquet_result *result)
{
    *out = nullptr;
    *result = {};
    Q_TRY(guarded(result, [&] { return check_footer(source, result); }));
    if (result->reason)
        return Q_OK;
    parquet_file *file = nullptr;
    q_status status = guarded(result, [&] {
        file = new parquet_file(options->memory_max, options->line_max);
        file->source = std::make_shared<Source>(*source, &file->pool);
        return open_file(file, options, result);
    });
    if (status != Q_OK || result->reason) {
        parquet_close(file);
        return status;
    }
    *out = file;
    return Q_OK;
}

extern "C" q_status parquet_next(struct parquet_file *file, struct q_buffer *line, struct parquet_result *result)
{
    *result = {};
    Q_TRY(guarded(result, [&] { return next_row(file, line, result); }));
    if (file->source->status() != Q_OK)
        return file->source->status();
    if (result->reason && result->step != PARQUET_LEFT_OUT && result->step != PARQUET_BAD) {
        give_up(file, result); // thrown
    }
    return Q_OK;
}

extern "C" uint64_t parquet_rows(const struct parquet_file *file)
{
    return uint64_t(file->all_rows);
}

extern "C" void parquet_close(struct parquet_file *file)
{
    delete file;
}
