#include "corpus/rules/list_files.h"

#include "base/check.h"
#include "base/fs.h"

const char *corpus_list_name(enum corpus_list_kind kind)
{
    static const char *const names[] = {"domains", "urls", "url_words", "url_soft_words", "url_substrings", "words"};
    return names[kind];
}

q_status corpus_list_files_place(struct corpus_lists_settings *settings, const char *folder, struct q_arena *arena)
{
    for (size_t kind = 0; kind < CORPUS_LIST_KINDS; kind++)
        for (size_t i = 0; i < settings->files[kind].count; i++)
            Q_TRY(q_fs_join(arena, folder, settings->files[kind].items[i], &settings->files[kind].items[i]));
    return Q_OK;
}

/* --- identity ---------------------------------------------------------------------------------------------------------------------- */

static const struct corpus_list_file *find_file(const struct corpus_list_files *files, const char *path)
{
    for (size_t i = 0; i < files->file_count; i++)
        if (strcmp(files->files[i].path, path) == 0)
            return &files->files[i];
    return NULL;
}

static q_status hash_file(struct corpus_list_files *files, const char *path, q_hash *out)
{
    const struct corpus_list_file *known = find_file(files, path);
    uint64_t bytes;
    if (known) {
        *out = known->hash;
        return Q_OK;
    }
    Q_TRY(q_grow(&files->files, &files->file_capacity, files->file_count + 1, sizeof *files->files));
    Q_TRY(q_fs_hash_file(path, &bytes, out));
    files->files[files->file_count++] = (struct corpus_list_file){path, *out};
    return Q_OK;
}

static int compare_hashes(const void *a, const void *b)
{
    return q_hash_compare(*(const q_hash *)a, *(const q_hash *)b);
}

static q_status hash_texts(struct corpus_list_files *files, const struct q_texts *paths, json_t *out)
{
    q_hash *hashes;
    char hex[Q_HASH_HEX];
    q_status status = Q_OK;
    Q_TRY(q_alloc(paths->count, sizeof *hashes, &hashes));
    for (size_t i = 0; i < paths->count && status == Q_OK; i++)
        status = hash_file(files, paths->items[i], &hashes[i]);
    if (status == Q_OK)
        qsort(hashes, paths->count, sizeof *hashes, compare_hashes);
    for (size_t i = 0; i < paths->count && status == Q_OK; i++)
        status = q_json_push(out, json_string(q_hash_hex(hashes[i], hex)));
    q_release(hashes);
    return status;
}

q_status corpus_list_files_hash(struct corpus_list_files *files, const struct corpus_lists_settings *settings,
                                json_t *identity)
{
    for (size_t kind = 0; kind < CORPUS_LIST_KINDS && settings->enabled; kind++) {
        json_t *hashes;
        if (!settings->files[kind].count)
            continue;
        hashes = json_array();
        Q_TRY(q_json_set(identity, corpus_list_name((enum corpus_list_kind)kind), hashes));
        Q_TRY(q_context(hash_texts(files, &settings->files[kind], hashes), "corpus.lists.%s",
                        corpus_list_name((enum corpus_list_kind)kind)));
    }
    return Q_OK;
}

/* --- loading ----------------------------------------------------------------------------------------------------------------------- */

static q_status add_file(const struct corpus_list_files *files, struct corpus_block_list *list, const char *path,
                         struct q_buffer *bytes)
{
    const struct corpus_list_file *planned = find_file(files, path);
    q_buffer_clear(bytes);
    Q_TRY(q_fs_read_file(path, CORPUS_LIST_FILE_BYTES_MAX, bytes));
    if (planned && !q_hash_equal(planned->hash, q_hash_string(q_buffer_string(bytes))))
        return q_fail(Q_ERR_INPUT, "'%s' was changed while it was read; run again", path);
    return corpus_block_list_add(list, path, q_buffer_string(bytes));
}

static q_status make_list(const struct corpus_list_files *files, enum corpus_list_kind kind,
                          const struct q_texts *paths, struct corpus_block_list **out)
{
    struct corpus_block_list *list;
    struct q_buffer bytes = {0};
    q_status status = Q_OK;
    Q_TRY(corpus_block_list_create(kind, &list));
    for (size_t i = 0; i < paths->count && status == Q_OK; i++)
        status = add_file(files, list, paths->items[i], &bytes);
    q_buffer_release(&bytes);
    if (status == Q_OK)
        status = corpus_block_list_finish(list);
    if (status == Q_OK)
        *out = list;
    else
        corpus_block_list_release(list);
    return status;
}

static q_status load_list(struct corpus_list_files *files, enum corpus_list_kind kind, const struct q_texts *paths,
                          const struct corpus_block_list **out)
{
    for (size_t i = 0; i < files->list_count; i++)
        if (files->lists[i].kind == kind && q_texts_equal(files->lists[i].files, paths)) {
            *out = files->lists[i].list;
            return Q_OK;
        }
    struct corpus_block_list *list;
    Q_TRY(q_grow(&files->lists, &files->list_capacity, files->list_count + 1, sizeof *files->lists));
    Q_TRY(make_list(files, kind, paths, &list));
    files->lists[files->list_count++] = (struct corpus_loaded_list){kind, paths, list};
    *out = list;
    return Q_OK;
}

q_status corpus_list_files_load(struct corpus_list_files *files, struct corpus_lists_settings *settings)
{
    for (size_t i = 0; i < CORPUS_LIST_KINDS && settings->enabled; i++) {
        const enum corpus_list_kind kind = (enum corpus_list_kind)i;
        if (!settings->files[i].count)
            continue;
        Q_TRY(q_context(load_list(files, kind, &settings->files[i], &settings->lists[i]), "corpus.lists.%s",
                        corpus_list_name(kind)));
        settings->asked = true;
    }
    return Q_OK;
}

void corpus_list_files_release(struct corpus_list_files *files)
{
    for (size_t i = 0; i < files->list_count; i++)
        corpus_block_list_release(files->lists[i].list);
    q_release(files->lists);
    q_release(files->files);
    *files = (struct corpus_list_files){0};
}
