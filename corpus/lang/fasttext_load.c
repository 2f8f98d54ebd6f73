#include "base/bytes.h"
#include "base/check.h"
#include "base/fs.h"
#include "corpus/lang/fasttext_private.h"

#include <math.h>

/* --- the file ---------------------------------------------------------------------------------------------------------------------- */

enum { PIECE_BYTES = 1 << 18, MAGIC = 793712314, CENTROIDS = 256 };

/* A file read once from its beginning, hashed on the way. */
struct source {
    const char *path;
    int fd;
    uint64_t left; /* bytes of the file not taken yet */
    struct q_hasher *hasher;
    char *piece;
    size_t at, size; /* of the piece: what is left of it */
};

static q_status damaged(const struct source *s, const char *what)
{
    return q_fail(Q_ERR_INPUT, "'%s': %s; it is no fastText model, or damaged", s->path, what);
}

static q_status refill(struct source *s)
{
    s->at = s->size = 0;
    Q_TRY(q_fs_read_some(s->fd, s->path, s->piece, PIECE_BYTES, &s->size));
    if (!s->size)
        return damaged(s, "it is cut short");
    q_hasher_add(s->hasher, s->piece, s->size);
    return Q_OK;
}

static q_status take(struct source *s, void *out, uint64_t count)
{
    char *to = out;
    if (count > s->left)
        return damaged(s, "it is cut short");
    s->left -= count;
    while (count) {
        if (s->at == s->size)
            Q_TRY(refill(s));
        size_t some = (size_t)Q_MIN(count, (uint64_t)(s->size - s->at));
        memcpy(to, s->piece + s->at, some);
        to += some;
        s->at += some;
        count -= some;
    }
    return Q_OK;
}

static q_status take_i32(struct source *s, int64_t least, int64_t most, const char *what, uint32_t *out)
{
    char bytes[4];
    Q_TRY(take(s, bytes, sizeof bytes));
    int32_t value = (int32_t)q_load_u32(bytes);
    if (value < least || value > most)
        return q_fail(Q_ERR_INPUT, "'%s': %s is %d, not %lld to %lld; it is no supervised fastText model, or damaged",
                      s->path, what, value, (long long)least, (long long)most);
    *out = (uint32_t)value;
    return Q_OK;
}

static q_status take_i64(struct source *s, int64_t *out)
{
    char bytes[8];
    Q_TRY(take(s, bytes, sizeof bytes));
    *out = (int64_t)q_load_u64(bytes);
    return Q_OK;
}

static q_status take_flag(struct source *s, const char *what, bool *out)
{
    char byte;
    Q_TRY(take(s, &byte, 1));
    if (byte != 0 && byte != 1)
        return damaged(s, what);
    *out = byte;
    return Q_OK;
}

/* count weights, checked: with these bounds no sum or product of a prediction leaves the floats. */
static q_status take_floats(struct source *s, float *out, size_t count)
{
    static const float weight_max = 1e6f;
    Q_TRY(take(s, out, (uint64_t)count * 4));
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = q_load_u32(&out[i]);
        memcpy(&out[i], &bits, sizeof bits);
        if (!(fabsf(out[i]) <= weight_max))
            return damaged(s, "a weight is no number below 1e6");
    }
    return Q_OK;
}

/* --- arguments --------------------------------------------------------------------------------------------------------------------- */

static q_status read_arguments(struct source *s, struct fasttext_model *m)
{
    uint32_t ignored, magic, version, loss;
    char threshold[8];
    if (s->left < 8)
        return damaged(s, "it is cut short");
    Q_TRY(take_i32(s, MAGIC, MAGIC, "its first number", &magic));
    Q_TRY(take_i32(s, 11, 12, "the format's version", &version));
    Q_TRY(take_i32(s, 1, FASTTEXT_DIMENSIONS_MAX, "dim", &m->dimensions));
    for (int i = 0; i < 4; i++) /* ws, epoch, minCount, neg: of training */
        Q_TRY(take_i32(s, INT32_MIN, INT32_MAX, "an argument", &ignored));
    Q_TRY(take_i32(s, INT32_MIN, FASTTEXT_NGRAM_MAX, "wordNgrams", &m->word_ngrams));
    m->word_ngrams = (int32_t)m->word_ngrams < 1 ? 1 : m->word_ngrams;
    Q_TRY(take_i32(s, FASTTEXT_HS, FASTTEXT_OVA, "loss", &loss));
    m->loss = (enum fasttext_loss)loss;
    Q_TRY(take_i32(s, 3, 3, "the model's kind", &ignored)); /* supervised */
    Q_TRY(take_i32(s, 0, INT32_MAX, "bucket", &m->buckets));
    Q_TRY(take_i32(s, 0, FASTTEXT_NGRAM_MAX, "minn", &m->minn));
    Q_TRY(take_i32(s, 0, FASTTEXT_NGRAM_MAX, "maxn", &m->maxn));
    Q_TRY(take_i32(s, INT32_MIN, INT32_MAX, "an argument", &ignored)); /* lrUpdateRate */
    Q_TRY(take(s, threshold, sizeof threshold));
    if (version == 11) /* its supervised models did not use subwords, whatever they say */
        m->maxn = 0;
    if (!m->buckets && (m->maxn || m->word_ngrams > 1))
        return damaged(s, "it has n-grams, but no buckets for them");
    return Q_OK;
}

/* --- dictionary -------------------------------------------------------------------------------------------------------------------- */

static q_status read_name(struct source *s, struct q_buffer *names, struct fasttext_entry *entry)
{
    char byte;
    entry->at = (uint32_t)names->size;
    for (;;) {
        Q_TRY(take(s, &byte, 1));
        if (!byte)
            break;
        Q_TRY(q_buffer_append_byte(names, byte));
    }
    if (names->size > UINT32_MAX)
        return damaged(s, "its words take more than 4 GiB");
    entry->size = (uint32_t)names->size - entry->at;
    entry->hash = fasttext_hash_bytes(names->data + entry->at, entry->size);
    return Q_OK;
}

/* Words first, then labels; label_uses gets how often each label was seen, which makes the tree of a hierarchical softmax. */
static q_status read_entries(struct source *s, struct fasttext_model *m, struct q_buffer *names, int64_t *label_uses)
{
    static const int64_t infinite = 1000000000000000; /* to fastText's tree */
    int64_t uses, sum = 0;
    for (uint32_t i = 0; i < m->word_count + m->label_count; i++) {
        char type;
        Q_TRY(read_name(s, names, &m->entries[i]));
        Q_TRY(take_i64(s, &uses));
        Q_TRY(take(s, &type, 1));
        if (type != (i >= m->word_count))
            return damaged(s, "its words and labels are mixed up");
        if (i < m->word_count)
            continue;
        if (uses < 0 || uses >= infinite - sum)
            return damaged(s, "how often a label was used cannot be");
        sum += label_uses[i - m->word_count] = uses;
    }
    return Q_OK;
}

static uint32_t table_slots(uint64_t entries)
{
    uint32_t slots = 16;
    while (slots < 2 * entries)
        slots *= 2;
    return slots;
}

/* A run of full slots so far, and the longest; asked of each slot in order. Runs over the table's end are two. */
static void count_run(bool full, uint32_t *run, uint32_t *longest)
{
    *run = full ? *run + 1 : 0;
    *longest = Q_MAX(*longest, *run);
}

static q_status crowded(const struct source *s)
{
    return damaged(s, "the hashes of its words or buckets crowd, as they do in no trained model");
}

static q_status index_entries(struct source *s, struct fasttext_model *m)
{
    const uint32_t count = m->word_count + m->label_count, slots = table_slots(count);
    Q_TRY(q_alloc_zero(slots, sizeof *m->slots, &m->slots));
    m->slot_mask = slots - 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = fasttext_slot(m, fasttext_name(m, i), m->entries[i].hash);
        if (m->slots[slot])
            return damaged(s, "a word is there twice");
        if (((slot - m->entries[i].hash) & m->slot_mask) > FASTTEXT_RUN_MAX)
            return crowded(s);
        m->slots[slot] = i + 1;
    }
    uint32_t run = 0, longest = 0;
    for (uint32_t i = 0; i < slots; i++)
        count_run(m->slots[i] != 0, &run, &longest);
    return longest > FASTTEXT_RUN_MAX ? crowded(s) : Q_OK;
}

/* Which buckets pruning left, and the row of each behind the words'. */
static q_status read_kept(struct source *s, struct fasttext_model *m, uint64_t count)
{
    if (count > s->left / 8 || count > INT32_MAX / 2)
        return damaged(s, "it is cut short");
    const uint32_t slots = table_slots(count);
    Q_TRY(q_alloc(slots, sizeof *m->kept, &m->kept));
    memset(m->kept, 0xFF, slots * sizeof *m->kept);
    m->kept_mask = slots - 1;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bucket, row;
        Q_TRY(take_i32(s, 0, (int64_t)m->buckets - 1, "a pruned bucket", &bucket));
        Q_TRY(take_i32(s, 0, (int64_t)count - 1, "a pruned row", &row));
        const uint32_t slot = fasttext_kept_slot(m, bucket);
        if (m->kept[slot].row != UINT32_MAX)
            return damaged(s, "a bucket is there twice");
        if (((slot - fasttext_kept_home(m, bucket)) & m->kept_mask) > FASTTEXT_RUN_MAX)
            return crowded(s);
        m->kept[slot] = (struct fasttext_kept){bucket, m->word_count + row};
    }
    uint32_t run = 0, longest = 0;
    for (uint32_t i = 0; i < slots; i++)
        count_run(m->kept[i].row != UINT32_MAX, &run, &longest);
    return longest > FASTTEXT_RUN_MAX ? crowded(s) : Q_OK;
}

/* *rows: how many the input matrix must have. */
static q_status read_dictionary(struct source *s, struct fasttext_model *m, int64_t **label_uses, uint64_t *rows)
{
    enum { ENTRY_BYTES_MIN = 10 };
    uint32_t count;
    int64_t tokens, pruned;
    Q_TRY(take_i32(s, 1, INT32_MAX / 4, "the count of words and labels", &count));
    Q_TRY(take_i32(s, 0, (int64_t)count - 1, "the count of words", &m->word_count));
    Q_TRY(take_i32(s, 1, FASTTEXT_LABELS_MAX, "the count of labels", &m->label_count));
    Q_TRY(take_i64(s, &tokens));
    Q_TRY(take_i64(s, &pruned));
    if (m->word_count + m->label_count != count)
        return damaged(s, "words and labels are not all entries");
    if (count > s->left / ENTRY_BYTES_MIN)
        return damaged(s, "it is cut short");
    Q_TRY(q_alloc(count, sizeof *m->entries, &m->entries));
    Q_TRY(q_alloc(m->label_count, sizeof **label_uses, label_uses));
    struct q_buffer names = {0};
    q_status status = read_entries(s, m, &names, *label_uses);
    m->names = names.data;
    Q_TRY(status);
    Q_TRY(index_entries(s, m));
    m->pruned = pruned >= 0;
    if (pruned > 0)
        Q_TRY(read_kept(s, m, (uint64_t)pruned));
    *rows = m->word_count + (m->pruned ? (uint64_t)pruned : m->buckets);
    return Q_OK;
}

/* --- matrices ---------------------------------------------------------------------------------------------------------------------- */

/* Sub-vectors of a product quantiser: of each, 256 centroids. Of one with a shorter last sub-vector the last 256 are as short. */
struct quantiser {
    uint32_t dimensions, parts, part_size;
    float *centroids; /* [dimensions x 256] */
};

static q_status read_quantiser(struct source *s, struct quantiser *q, uint32_t dimensions)
{
    uint32_t last;
    Q_TRY(take_i32(s, dimensions, dimensions, "a quantiser's dim", &q->dimensions));
    Q_TRY(take_i32(s, 1, dimensions, "a quantiser's parts", &q->parts));
    Q_TRY(take_i32(s, 1, INT32_MAX, "a quantiser's part", &q->part_size));
    Q_TRY(take_i32(s, 1, dimensions, "a quantiser's last part", &last));
    if (q_ceil_div(dimensions, q->part_size) != q->parts ||
        (q->parts - 1) * (uint64_t)q->part_size + last != dimensions)
        return damaged(s, "a quantiser's parts do not fit");
    if (dimensions > s->left / (CENTROIDS * 4))
        return damaged(s, "it is cut short");
    Q_TRY(q_alloc((size_t)dimensions * CENTROIDS, sizeof(float), &q->centroids));
    return take_floats(s, q->centroids, (size_t)dimensions * CENTROIDS);
}

/* One row of the codes as floats. */
static void decode_row(const struct quantiser *q, const unsigned char *codes, float norm, float *out)
{
    for (uint32_t p = 0; p < q->parts; p++) {
        const uint32_t at = p * q->part_size, size = Q_MIN(q->part_size, q->dimensions - at);
        const float *centroid = q->centroids + (size_t)at * CENTROIDS + (size_t)codes[p] * size;
        for (uint32_t i = 0; i < size; i++)
            out[at + i] = norm * centroid[i];
    }
}

struct quantised {
    struct quantiser rows, norms;
    unsigned char *codes, *norm_codes;
};

static q_status read_codes(struct source *s, struct quantised *q, uint64_t rows, uint32_t dimensions, bool norms)
{
    uint32_t size;
    Q_TRY(take_i32(s, 0, INT32_MAX, "the size of codes", &size));
    if (size > s->left || size % rows != 0)
        return damaged(s, "the size of its codes does not fit");
    Q_TRY(q_alloc(size, 1, &q->codes));
    Q_TRY(take(s, q->codes, size));
    Q_TRY(read_quantiser(s, &q->rows, dimensions));
    if (size / rows != q->rows.parts)
        return damaged(s, "the size of its codes does not fit");
    if (!norms)
        return Q_OK;
    if (rows > s->left)
        return damaged(s, "it is cut short");
    Q_TRY(q_alloc(rows, 1, &q->norm_codes));
    Q_TRY(take(s, q->norm_codes, rows));
    return read_quantiser(s, &q->norms, 1);
}

/* Gives the matrix row by row to `put`. */
typedef void put_row(void *context, uint64_t row, const float *values);

static q_status read_dense(struct source *s, uint64_t rows, uint32_t columns, float *row, put_row *put, void *context)
{
    for (uint64_t i = 0; i < rows; i++) {
        Q_TRY(take_floats(s, row, columns));
        put(context, i, row);
    }
    return Q_OK;
}

static q_status read_quantised(struct source *s, uint64_t rows, uint32_t columns, bool norms, float *row, put_row *put,
                               void *context)
{
    struct quantised q = {0};
    q_status status = read_codes(s, &q, rows, columns, norms);
    for (uint64_t i = 0; i < rows && status == Q_OK; i++) {
        decode_row(&q.rows, q.codes + i * q.rows.parts, norms ? q.norms.centroids[q.norm_codes[i]] : 1, row);
        put(context, i, row);
    }
    q_release(q.rows.centroids);
    q_release(q.norms.centroids);
    q_release(q.codes);
    q_release(q.norm_codes);
    return status;
}

/* A matrix's beginning: that it has so many columns, and as many rows as the dictionary needs (more are allowed); that so much may be in the file. */
static q_status read_shape(struct source *s, bool quantised, const struct fasttext_model *m, uint64_t needed,
                           bool *norms, uint64_t *rows)
{
    int64_t sizes[2];
    *norms = false;
    if (quantised)
        Q_TRY(take_flag(s, "a matrix's kind is none", norms));
    Q_TRY(take_i64(s, &sizes[0]));
    Q_TRY(take_i64(s, &sizes[1]));
    if (sizes[1] != m->dimensions || sizes[0] < 1 || (uint64_t)sizes[0] < needed)
        return damaged(s, "a matrix's size does not fit its words");
    *rows = (uint64_t)sizes[0];
    uint64_t row_bytes = quantised ? 1 : (uint64_t)m->dimensions * 4;
    if (*rows > s->left / row_bytes || (quantised && m->dimensions > s->left / (CENTROIDS * 4)))
        return damaged(s, "it is cut short");
    if (*rows > FASTTEXT_MATRIX_BYTES_MAX / 4 / m->dimensions)
        return q_fail(Q_ERR_INPUT, "'%s': a matrix of %llu rows is more than 16 GiB", s->path,
                      (unsigned long long)*rows);
    return Q_OK;
}

static void put_input(void *context, uint64_t row, const float *values)
{
    struct fasttext_model *m = context;
    memcpy(m->input + row * m->dimensions, values, m->dimensions * sizeof *values);
}

static void put_output(void *context, uint64_t row, const float *values)
{
    struct fasttext_model *m = context;
    for (uint32_t i = 0; i < m->dimensions && row < m->label_count; i++)
        m->output[(size_t)i * m->label_count + row] = values[i];
}

static q_status read_matrices(struct source *s, struct fasttext_model *m, uint64_t rows_needed, float *row)
{
    bool quantised, quantised_output, norms;
    uint64_t rows;
    Q_TRY(take_flag(s, "its input matrix is of no kind", &quantised));
    if (m->pruned && !quantised)
        return damaged(s, "it is pruned, but not quantised");
    Q_TRY(read_shape(s, quantised, m, rows_needed, &norms, &rows));
    m->input_bytes = (size_t)rows * m->dimensions * sizeof(float);
    Q_TRY(q_alloc_pages(m->input_bytes, &m->input));
    Q_TRY(quantised ? read_quantised(s, rows, m->dimensions, norms, row, put_input, m)
                    : read_dense(s, rows, m->dimensions, row, put_input, m));
    Q_TRY(take_flag(s, "its output matrix is of no kind", &quantised_output));
    quantised_output = quantised_output && quantised; /* as fastText reads it */
    Q_TRY(read_shape(s, quantised_output, m, m->label_count, &norms, &rows));
    Q_TRY(q_alloc((size_t)m->dimensions * m->label_count, sizeof(float), &m->output));
    return quantised_output ? read_quantised(s, rows, m->dimensions, norms, row, put_output, m)
                            : read_dense(s, rows, m->dimensions, row, put_output, m);
}

/* --- the tree of a hierarchical softmax -------------------------------------------------------------------------------------------- */

/* Huffman's, as fastText builds it: two queues, the labels from the rarest on (the file has them by falling count) and the nodes in the order made; a
 * label comes before a node only where it is rarer. Of labels in another order the tree is another, but a tree all the same. */
static q_status build_tree(struct fasttext_model *m, const int64_t *label_uses)
{
    const uint32_t labels = m->label_count;
    uint32_t leaf = labels, node = labels; /* the next leaf is leaf - 1 */
    int64_t *uses;
    Q_TRY(q_alloc_zero(2 * (size_t)labels - 1, sizeof *m->nodes, &m->nodes));
    Q_TRY(q_alloc(2 * (size_t)labels - 1, sizeof *uses, &uses));
    memcpy(uses, label_uses, labels * sizeof *uses);
    for (uint32_t made = labels; made < 2 * labels - 1; made++) {
        uint32_t child[2];
        for (int i = 0; i < 2; i++)
            child[i] = leaf && (node == made || uses[leaf - 1] < uses[node]) ? --leaf : node++;
        m->nodes[made] = (struct fasttext_node){child[0], child[1]};
        uses[made] = uses[child[0]] + uses[child[1]]; /* below 1e15: read_entries */
    }
    q_release(uses);
    return Q_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------------------------------- */

static q_status read_model(struct source *s, struct fasttext_model *m)
{
    int64_t *label_uses = NULL;
    float *row = NULL;
    uint64_t rows;
    q_status status;
    Q_TRY_GOTO(out, read_arguments(s, m));
    Q_TRY_GOTO(out, read_dictionary(s, m, &label_uses, &rows));
    Q_TRY_GOTO(out, q_alloc(m->dimensions, sizeof *row, &row));
    Q_TRY_GOTO(out, read_matrices(s, m, rows, row));
    if (s->left)
        status = damaged(s, "there is more behind its end");
    else if (m->loss == FASTTEXT_HS)
        status = build_tree(m, label_uses);
    m->hash = q_hasher_digest(s->hasher);
out:
    q_release(label_uses);
    q_release(row);
    return status;
}

q_status fasttext_load(const char *path, struct fasttext_model **out)
{
    struct source s = {.path = path, .fd = -1};
    struct fasttext_model *model = NULL;
    struct stat stat;
    bool exists;
    q_status status;
    Q_TRY_GOTO(out, q_fs_look(path, &exists, &stat));
    Q_TRY_GOTO(out, q_fs_open_read(path, &s.fd));
    s.left = (uint64_t)stat.st_size;
    Q_TRY_GOTO(out, q_alloc(PIECE_BYTES, 1, &s.piece));
    Q_TRY_GOTO(out, q_hasher_create(&s.hasher));
    Q_TRY_GOTO(out, q_alloc_zero(1, sizeof *model, &model));
    status = read_model(&s, model);
out:
    q_fs_close(s.fd);
    q_release(s.piece);
    q_hasher_release(s.hasher);
    if (status != Q_OK)
        fasttext_release(model);
    else
        *out = model;
    return status;
}

void fasttext_release(struct fasttext_model *model)
{
    if (!model)
        return;
    q_release(model->names);
    q_release(model->entries);
    q_release(model->slots);
    q_release(model->kept);
    q_release_pages(model->input, model->input_bytes);
    q_release(model->output);
    q_release(model->nodes);
    q_release(model);
}

q_hash fasttext_hash(const struct fasttext_model *model)
{
    return model->hash;
}

uint32_t fasttext_label_count(const struct fasttext_model *model)
{
    return model->label_count;
}

q_string fasttext_label(const struct fasttext_model *model, uint32_t label)
{
    q_check(label < model->label_count);
    return fasttext_name(model, model->word_count + label);
}
