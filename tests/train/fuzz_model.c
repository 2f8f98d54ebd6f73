/* Model folders that nobody wrote: config.json, safetensors and their index. Whatever they hold, reading ends without harm: what is refused is Q_ERR_INPUT; a config that is taken is taken
 * again when it is written back; tensors that are given out lie in their file, each once; a model that was read has nothing but finite numbers.
 *
 * An input is a folder in one text: lines "=config", "=one", "=two", "=index", "=raw" begin its files. "one" and "two" are safetensors as HEADER, a byte 1, DATA: the header's length is put before
 * them, or nearly every mutation would be one of a length; "raw" is a file as it is.
 */
#include "base/check.h"
#include "base/fs.h"
#include "base/threads.h"
#include "tests/base/fuzz.h"
#include "train/files/model_files.h"
#include "train/files/tensor_set.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char folder[] = "fuzzed";

static const struct model_config tiny = {.vocab_size = 3,
                                         .hidden_size = 2,
                                         .num_hidden_layers = 1,
                                         .first_k_dense_replace = 0,
                                         .num_attention_heads = 1,
                                         .q_lora_rank = 2,
                                         .kv_lora_rank = 2,
                                         .qk_nope_head_dim = 1,
                                         .qk_rope_head_dim = 2,
                                         .v_head_dim = 1,
                                         .intermediate_size = 2,
                                         .moe_intermediate_size = 1,
                                         .n_routed_experts = 2,
                                         .num_experts_per_tok = 1,
                                         .n_group = 1,
                                         .topk_group = 1,
                                         .n_shared_experts = 1,
                                         .routed_scaling_factor = 1,
                                         .norm_topk_prob = true,
                                         .rms_norm_eps = 1e-6,
                                         .rope_theta = 10000,
                                         .max_position_embeddings = 4,
                                         .initializer_range = 0.02,
                                         .bos_token_id = -1,
                                         .eos_token_id = -1};

static const struct {
    const char *section, *path;
} sections[] = {{"=config\n", "fuzzed/config.json"},
                {"=one\n", "fuzzed/model-00001-of-00002.safetensors"},
                {"=two\n", "fuzzed/model-00002-of-00002.safetensors"},
                {"=index\n", "fuzzed/model.safetensors.index.json"},
                {"=raw\n", "fuzzed/model.safetensors"}};

static void write_bytes(const char *path, const void *bytes, size_t count, bool append)
{
    int fd = open(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0600);
    fuzz_must(fd >= 0 && write(fd, bytes, count) == (ssize_t)count, path);
    close(fd);
}

static void write_section(size_t section, q_string text)
{
    const char *path = sections[section].path;
    if (section == 1 || section == 2) {
        const char *end = text.size ? memchr(text.data, 1, text.size) : NULL;
        uint64_t length = end ? (uint64_t)(end - text.data) : text.size;
        write_bytes(path, &length, sizeof length, false);
        write_bytes(path, text.data, (size_t)length, true);
        text = q_string_slice(text, (size_t)length + (end != NULL), text.size);
        write_bytes(path, text.data, text.size, true);
    } else {
        write_bytes(path, text.data, text.size, false);
    }
}

/* Where the next section begins at or behind `from`, and which; the end where there is none. */
static size_t next_section(q_string text, size_t from, size_t *which)
{
    for (size_t at = from; at < text.size; at++) {
        if (text.data[at] != '=')
            continue;
        for (*which = 0; *which < Q_COUNT_OF(sections); ++*which)
            if (q_string_starts(q_string_slice(text, at, text.size), sections[*which].section))
                return at;
    }
    *which = Q_COUNT_OF(sections);
    return text.size;
}

static void write_folder(q_string text)
{
    size_t which, next;
    for (size_t i = 0; i < Q_COUNT_OF(sections); i++)
        (void)unlink(sections[i].path);
    for (size_t at = next_section(text, 0, &which); at < text.size; at = next) {
        size_t now = which, begin = at + strlen(sections[now].section);
        next = next_section(text, begin, &which);
        write_section(now, q_string_slice(text, begin, next));
    }
}

static void check_config(void)
{
    struct model_config config, again;
    struct q_buffer text = {0};
    json_t *json;
    q_status status = model_config_read(folder, &config);
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "a config is neither taken nor refused");
    if (status)
        return;
    fuzz_must(model_config_check(&config) == Q_OK, "a config that was read is no good");
    (void)model_config_parameters(&config);
    fuzz_must(model_config_json(&config, &json) == Q_OK && q_json_dump(json, 1, &text) == Q_OK, "memory");
    json_decref(json);
    write_bytes(sections[0].path, text.data, text.size, false);
    fuzz_must(model_config_read(folder, &again) == Q_OK, "a config that was written is not taken");
    fuzz_must(model_config_json(&again, &json) == Q_OK, "memory");
    struct q_buffer second = {0};
    fuzz_must(q_json_dump(json, 1, &second) == Q_OK, "memory");
    json_decref(json);
    fuzz_must(q_string_equal(q_buffer_string(&text), q_buffer_string(&second)),
              "a config is another one when read again");
    q_buffer_release(&text);
    q_buffer_release(&second);
}

static void check_entry(const struct tensor_set_entry *entry)
{
    const struct safetensors_tensor *tensor = entry->tensor;
    struct stat stat;
    float *values;
    fuzz_must(fstat(entry->file->fd, &stat) == 0 && tensor->begin <= (uint64_t)stat.st_size &&
                  tensor->bytes <= (uint64_t)stat.st_size - tensor->begin,
              "a tensor outside of its file");
    fuzz_must(tensor->bytes == tensor->count * safetensors_type_bytes(tensor->type), "a size that is none");
    fuzz_must((entry->scale != NULL) == (tensor->type == SAFETENSORS_F8_E4M3), "FP8 without scales");
    fuzz_must(q_alloc((size_t)tensor->count, sizeof *values, &values) == Q_OK, "memory");
    q_status status = tensor_set_read(entry, values);
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "numbers are neither read nor refused");
    q_release(values);
}

static void check_set(void)
{
    struct tensor_set set;
    q_status status = tensor_set_open(folder, "model", &set);
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "a set is neither taken nor refused");
    for (size_t i = 0; i < set.count && !status; i++) {
        check_entry(&set.entries[i]);
        fuzz_must(tensor_set_find(&set, set.entries[i].tensor->name) == &set.entries[i], "a tensor is not found");
    }
    tensor_set_close(&set);
}

static struct model *tiny_model(void)
{
    static struct model *model;
    struct q_pool *pool;
    struct op_context *context;
    const struct model_shape shape = {.batch = 1, .sequence = 1};
    if (!model)
        fuzz_must(q_pool_create(1, &pool) == Q_OK && op_table_cpu(OP_FP32)->create(pool, &context) == Q_OK &&
                      model_create(&tiny, op_table_cpu(OP_FP32), context, &shape, &model) == Q_OK &&
                      model_init(model, 1, pool) == Q_OK,
                  "model");
    return model;
}

static void check_model(void)
{
    struct model *model = tiny_model();
    size_t count;
    float values[64];
    const struct model_parameter *parameters = model_parameters(model, &count);
    q_status status = model_files_read(model, folder);
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "a model is neither read nor refused");
    for (size_t i = 0; i < count && !status; i++) {
        fuzz_must(parameters[i].count <= Q_COUNT_OF(values), "a larger tensor than any");
        model_get(model, &parameters[i], values);
        for (size_t j = 0; j < parameters[i].count; j++)
            fuzz_must(isfinite(values[j]), "a number that is not finite");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool made;
    if (!made)
        fuzz_must(q_fs_make_directories(folder) == Q_OK, "folder");
    made = true;
    write_folder((q_string){(const char *)bytes, size});
    check_config();
    check_set();
    check_model();
    return 0;
}

#ifndef FUZZ_LIBRARY
static void append_file(struct q_buffer *text, const char *section, const char *path)
{
    struct q_buffer file = {0};
    uint64_t length;
    fuzz_must(q_fs_read_file(path, 1 << 20, &file) == Q_OK, "read");
    q_string rest = q_buffer_string(&file);
    fuzz_must(q_buffer_append_string(text, q_string_of(section)) == Q_OK, "memory");
    if (strcmp(section, "=one\n") == 0 || strcmp(section, "=two\n") == 0) {
        memcpy(&length, file.data, sizeof length);
        fuzz_must(q_buffer_append(text, file.data + 8, (size_t)length) == Q_OK && q_buffer_append_byte(text, 1) == Q_OK,
                  "memory");
        rest = q_string_slice(rest, 8 + (size_t)length, rest.size);
    }
    fuzz_must(q_buffer_append_string(text, rest) == Q_OK, "memory");
    q_buffer_release(&file);
}

/* The tiny model in a folder, as it is or in BF16. */
static void write_seed(enum safetensors_type type, struct q_arena *arena)
{
    struct model_file_list list = {0};
    struct tensor_set set;
    fuzz_must(q_fs_remove_tree("seed") == Q_OK && q_fs_make_directories("seed") == Q_OK, "folder");
    fuzz_must(model_files_write(tiny_model(), "seed", arena, &list) == Q_OK, "write");
    fuzz_must(model_files_open(tiny_model(), "seed", "model", &set) == Q_OK, "open");
    fuzz_must(model_files_copy(tiny_model(), &set, type, "seed", arena, &list) == Q_OK, "write again");
    tensor_set_close(&set);
}

/* The tiny model in one file, with config and index; the same in BF16 without an index, its file raw. */
static void make_seeds(void)
{
    struct q_arena arena = {0};
    struct q_buffer text = {0};
    static const char one[] = "model-00001-of-00001.safetensors", two[] = "model-00001-of-00002.safetensors";
    for (int half = 0; half < 2; half++) {
        q_buffer_clear(&text);
        write_seed(half ? SAFETENSORS_BF16 : SAFETENSORS_F32, &arena);
        append_file(&text, "=config\n", "seed/config.json");
        append_file(&text, half ? "=raw\n" : "=one\n", "seed/model-00001-of-00001.safetensors");
        if (!half) {
            struct q_buffer index = {0};
            append_file(&index, "=index\n", "seed/model.safetensors.index.json");
            for (char *name = index.data;
                 (name = memmem(name, index.size - (size_t)(name - index.data), one, sizeof one - 1)) != NULL;)
                memcpy(name, two, sizeof two - 1); /* the names are of one length */
            fuzz_must(q_buffer_append_string(&text, q_buffer_string(&index)) == Q_OK, "memory");
            q_buffer_release(&index);
        }
        fuzz_made(q_buffer_string(&text));
        write_folder(q_buffer_string(&text));
        fuzz_must(model_files_read(tiny_model(), folder) == Q_OK, "a seed is refused");
    }
    q_arena_release(&arena);
    q_buffer_release(&text);
    /* FP8 with its scales in the other file. */
    fuzz_made(q_string_of("=one\n{\"w\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,129],\"data_offsets\":[0,2]}}\1ab=two\n"
                          "{\"w_scale_inv\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}\1"
                          "\1\2\3\4\1\2\3\4"));
    fuzz_made(q_string_of("=one\n{\"w\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,2],\"data_offsets\":[0,4]}}\1abcd=two\n"
                          "{\"w_scale_inv\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}}\1\1\2\3\4"));
}

int main(int argc, char **argv)
{
    static const char *const parts[] = {
        "=config\n",
        "=one\n",
        "=two\n",
        "=index\n",
        "=raw\n",
        "\1",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"F8_E4M3\"",
        "\"BF16\"",
        "\"F16\"",
        "\"F32\"",
        "\"I64\"",
        "_scale_inv",
        "[0,0]",
        "[1,1]",
        "[2,0]",
        "\"data_offsets\"",
        "\"shape\"",
        "\"dtype\"",
        "\"__metadata__\"",
        "18446744073709551615",
        "9223372036854775807",
        "4294967296",
        "-1",
        "0",
        "1e9",
        "null",
        "true",
        "model.layers.0.",
        "model.layers.9.",
        "model.norm.weight",
        "lm_head.weight",
        ".mean",
        "model-00002-of-00002.safetensors",
        "../",
        "\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]},",
        "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":8},",
        "\x7f\xc0",
        "\xff\xff\xff\x7f",
        NULL};
    fuzz_must(q_fs_make_directories(folder) == Q_OK, "folder");
    make_seeds();
    return fuzz_main(argc, argv, parts);
}
#endif
