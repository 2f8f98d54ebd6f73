// simdjson behind its C face. The line is indexed and its UTF-8 checked whole (simdjson's first stage); members of the top object are read in
// order. What simdjson would skip unread - nested values, the exact form of numbers - is checked by q_json_valid.
extern "C" {
#include "base/jsonl.h"
#include "base/json.h"
}

// Errors are returned, never thrown.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <vector>

namespace ondemand = simdjson::ondemand;

struct q_jsonl_parser {
    ondemand::parser parser;
    q_buffer padded = {}; // the line and the bytes behind it that simdjson may read
    std::vector<q_jsonl_member> members;
    std::vector<std::string_view> sorted; // keys, for the search of duplicates
};

namespace
{

constexpr size_t LINE_BYTES_MAX = 0xffffffffu - 2 * simdjson::SIMDJSON_PADDING; // simdjson's own bound

q_string to_string(std::string_view view)
{
    return {view.data(), view.size()};
}

q_status failure(simdjson::error_code error)
{
    switch (error) {
    case simdjson::MEMALLOC:
        return q_fail(Q_ERR_MEMORY, "out of memory for a line of JSON");
    case simdjson::UTF8_ERROR:
        return q_fail(Q_ERR_INPUT, "is not UTF-8");
    case simdjson::EMPTY:
        return q_fail(Q_ERR_INPUT, "is empty");
    case simdjson::UNCLOSED_STRING:
        return q_fail(Q_ERR_INPUT, "is JSON cut short in a string");
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
        return q_fail(Q_ERR_INPUT, "does not end with its object's '}'");
    case simdjson::UNESCAPED_CHARS:
        return q_fail(Q_ERR_INPUT, "is no JSON: a control character in a string");
    case simdjson::STRING_ERROR:
        return q_fail(Q_ERR_INPUT, "is no JSON: a bad escape in a string");
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE:
        return q_fail(Q_ERR_INPUT, "is no JSON: a bad number, or one too large");
    case simdjson::INCORRECT_TYPE:
        return q_fail(Q_ERR_INPUT, "is no JSON object");
    default:
        return q_fail(Q_ERR_INPUT, "is no JSON");
    }
}

// The value's own bytes, without the spaces behind it.
std::string_view trimmed(std::string_view raw)
{
    while (!raw.empty() && (raw.back() == ' ' || raw.back() == '\t' || raw.back() == '\n' || raw.back() == '\r'))
        raw.remove_suffix(1);
    return raw;
}

// A nested value as it stands: from its first byte to its closing bracket.
simdjson::error_code raw_tree(ondemand::value value, ondemand::json_type type, std::string_view &raw)
{
    if (type == ondemand::json_type::array) {
        ondemand::array array;
        if (auto error = value.get_array().get(array))
            return error;
        return array.raw_json().get(raw);
    }
    ondemand::object object;
    if (auto error = value.get_object().get(object))
        return error;
    return object.raw_json().get(raw);
}

simdjson::error_code read_value(ondemand::value value, q_jsonl_member &member)
{
    ondemand::json_type type;
    std::string_view view;
    bool truth;
    if (auto error = value.type().get(type))
        return error;
    if (type == ondemand::json_type::string) {
        member.type = Q_JSONL_TEXT;
        auto error = value.get_string().get(view);
        member.text = to_string(view);
        return error;
    }
    if (type == ondemand::json_type::array || type == ondemand::json_type::object) {
        member.type = Q_JSONL_TREE;
        if (auto error = raw_tree(value, type, view))
            return error;
    } else {
        view = value.raw_json_token();
        switch (type) {
        case ondemand::json_type::number:
            member.type = Q_JSONL_NUMBER;
            if (auto error = value.get_double().get(member.number))
                return error;
            break;
        case ondemand::json_type::boolean:
            member.type = Q_JSONL_BOOL;
            if (auto error = value.get_bool().get(truth))
                return error;
            member.number = truth ? 1 : 0;
            break;
        default:
            member.type = Q_JSONL_NULL;
            if (auto error = value.is_null().get(truth))
                return error;
        }
    }
    member.text = to_string(trimmed(view));
    return q_json_valid(member.text) ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
}

simdjson::error_code read_members(q_jsonl_parser &parser, size_t size)
{
    ondemand::document document;
    ondemand::object object;
    simdjson::padded_string_view line(parser.padded.data, size, size + simdjson::SIMDJSON_PADDING);
    if (auto error = parser.parser.iterate(line).get(document))
        return error;
    if (auto error = document.get_object().get(object))
        return error;
    for (auto field : object) {
        q_jsonl_member member = {};
        std::string_view key;
        ondemand::value value;
        if (auto error = field.unescaped_key().get(key))
            return error;
        if (auto error = field.value().get(value))
            return error;
        member.key = to_string(key);
        if (auto error = read_value(value, member))
            return error;
        parser.members.push_back(member);
    }
    // Behind the object there is nothing to be found.
    return document.current_location().error() == simdjson::OUT_OF_BOUNDS ? simdjson::SUCCESS
                                                                          : simdjson::TRAILING_CONTENT;
}

bool has_duplicate(q_jsonl_parser &parser)
{
    parser.sorted.clear();
    for (const q_jsonl_member &member : parser.members)
        parser.sorted.emplace_back(member.key.data, member.key.size);
    std::sort(parser.sorted.begin(), parser.sorted.end());
    return std::adjacent_find(parser.sorted.begin(), parser.sorted.end()) != parser.sorted.end();
}

q_status parse_line(q_jsonl_parser &parser, q_string line)
{
    if (line.size > LINE_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "is longer than 4 GiB");
    q_buffer_clear(&parser.padded);
    Q_TRY(q_buffer_reserve(&parser.padded, line.size + simdjson::SIMDJSON_PADDING));
    if (line.size > 0)
        std::memcpy(parser.padded.data, line.data, line.size);
    std::memset(parser.padded.data + line.size, 0, simdjson::SIMDJSON_PADDING);
    parser.members.clear();
    if (auto error = read_members(parser, line.size))
        return failure(error);
    if (has_duplicate(parser))
        return q_fail(Q_ERR_INPUT, "has a key twice");
    return Q_OK;
}

} // namespace

extern "C" q_status q_jsonl_create(struct q_jsonl_parser **out)
{
    try {
        *out = new q_jsonl_parser();
        return Q_OK;
    } catch (const std::bad_alloc &) {
        return q_fail(Q_ERR_MEMORY, "out of memory for a JSON parser");
    }
}

extern "C" void q_jsonl_release(struct q_jsonl_parser *parser)
{
    if (parser)
        q_buffer_release(&parser->padded);
    delete parser;
}

extern "C" q_status q_jsonl_parse(struct q_jsonl_parser *parser, q_string line,
                                  const struct q_jsonl_member **out_members, size_t *out_count)
{
    try {
        Q_TRY(parse_line(*parser, line));
        *out_members = parser->members.data();
        *out_count = parser->members.size();
        return Q_OK;
    } catch (const std::bad_alloc &) {
        return q_fail(Q_ERR_MEMORY, "out of memory for a line of JSON");
    }
}

extern "C" bool q_utf8_valid(q_string bytes)
{
    return bytes.size == 0 || simdjson::validate_utf8(bytes.data, bytes.size);
}
