/* quern-corpus cat, extract. */
#include "base/document.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/manifest.h"
#include "corpus/cmd_corpus.h"
#include "corpus/html/html_extract.h"
#include "corpus/lang/lang.h"
#include "corpus/text/charset.h"

enum { CAT_BATCH_BYTES = 1 << 20 };

static q_status cat_file(const char *path)
{
    struct q_lines_reader *reader;
    struct q_buffer batch = {0};
    Q_TRY(q_lines_open(path, &reader));
    q_status status;
    do {
        status = q_lines_next(reader, CAT_BATCH_BYTES, &batch);
        if (status == Q_OK)
            status = corpus_print(q_buffer_string(&batch));
    } while (status == Q_OK && batch.size);
    q_lines_close(reader);
    q_buffer_release(&batch);
    return status;
}

static q_status cat_folder(const char *path)
{
    struct q_manifest manifest = {0};
    q_status status = q_manifest_read(path, &manifest);
    for (size_t p = 0; p < manifest.part_count && status == Q_OK; p++)
        for (size_t f = 0; f < manifest.parts[p].file_count && status == Q_OK; f++) {
            const char *file;
            status = q_manifest_path(&manifest, manifest.parts[p].files[f].name, &file);
            if (status == Q_OK)
                status = cat_file(file);
        }
    q_manifest_release(&manifest);
    return status;
}

q_status corpus_cat_verb(void *options, const char *const *arguments, size_t count)
{
    (void)options;
    for (size_t i = 0; i < count; i++)
        Q_TRY(q_fs_is_directory(arguments[i]) ? cat_folder(arguments[i]) : cat_file(arguments[i]));
    return Q_OK;
}

/* --- extract ----------------------------------------------------------------------------------------------------------------------- */

struct extraction {
    struct html_options options;
    struct corpus_decoder *decoder;
    struct html_extractor extractor;
    struct corpus_changes changes;
    struct q_buffer file, out;
    struct q_json json;
    bool as_json, headed;
};

static q_string page_name(const char *path)
{
    q_string name = q_string_of(q_fs_base_name(path));
    if (q_string_ends(name, ".html"))
        name.size -= 5;
    return name;
}

static q_status put_page(struct extraction *e, const char *path, const struct html_page *page)
{
    if (!e->as_json) {
        if (e->headed)
            Q_TRY(q_buffer_printf(&e->out, "==> %s <==\n", path));
        Q_TRY(q_buffer_append_string(&e->out, page->text));
        Q_TRY(q_buffer_append_byte(&e->out, '\n'));
    } else {
        struct corpus_langs langs;
        const char *key;
        struct q_arena arena = {0};
        q_status status = q_arena_cstring(&arena, page_name(path), &key);
        if (status == Q_OK) {
            corpus_lang_identify(page->text.data ? page->text.data : "", page->text.size, &langs);
            q_json_open(&e->json, key, '{');
            q_json_put_string(&e->json, "articleBody", page->text);
            q_json_put_string(&e->json, "title", page->title);
            q_json_put_string(&e->json, "lang", q_string_of(langs.langs[0].code));
            q_json_close(&e->json, '}');
        }
        q_arena_release(&arena);
        Q_TRY(status);
    }
    Q_TRY(corpus_print(q_buffer_string(&e->out)));
    q_buffer_clear(&e->out);
    return Q_OK;
}

static q_status extract_file(struct extraction *e, const char *path)
{
    struct html_page page;
    q_string utf8;
    Q_TRY(corpus_read_page(path, e->decoder, &e->file, &utf8, &e->changes));
    Q_TRY(html_extract(&e->extractor, &e->options, utf8, &page));
    return put_page(e, path, &page);
}

static q_status extract_files(struct extraction *e, const char *const *files, size_t count)
{
    Q_TRY(corpus_decoder_create(&e->decoder));
    if (e->as_json) {
        e->json = q_json_begin(&e->out);
        q_json_open(&e->json, NULL, '{');
    }
    for (size_t i = 0; i < count; i++)
        Q_TRY(extract_file(e, files[i]));
    if (!e->as_json)
        return Q_OK;
    q_json_close(&e->json, '}');
    q_json_newline(&e->json);
    Q_TRY(q_json_end(&e->json));
    return corpus_print(q_buffer_string(&e->out));
}

q_status corpus_extract_verb(void *options, const char *const *arguments, size_t count)
{
    static const char *const standard_input[] = {"-"};
    const struct corpus_extract_options *o = options;
    struct extraction e = {.as_json = o->common.json, .headed = count > 1};
    /* A page's own heading stays in a text to read; a body to compare goes without it. */
    e.options = (struct html_options){
        .scope = o->all ? HTML_SCOPE_ALL : HTML_SCOPE_ARTICLE, .markdown = o->markdown, .heading = !o->common.json};
    q_status status = extract_files(&e, count ? arguments : standard_input, count ? count : 1);
    corpus_decoder_release(e.decoder);
    html_extractor_release(&e.extractor);
    q_buffer_release(&e.file);
    q_buffer_release(&e.out);
    return status;
}
