/* A model, its optimizer, and what a test needs to train them in one process. */
#ifndef QUERN_TESTS_TRAIN_MODEL_FIXTURE_H
#define QUERN_TESTS_TRAIN_MODEL_FIXTURE_H

#include "base/fs.h"
#include "base/random.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "train/files/model_files.h"
#include "train/optimizer.h"

struct fixture {
    const struct op_table *ops;
    struct q_pool *pool;
    struct op_context *context;
    struct model *model;
    struct optimizer *optimizer;
    int32_t *ids; /* a batch and one more: something to learn, a token tells the next one most of the time */
};

static const struct optimizer_settings fixture_adamw = {
    .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1};

/* The same weights and tokens for the same config and shape. */
static inline void set_up_model(struct fixture *f, const struct model_config *config, const struct model_shape *shape,
                                const struct op_table *ops, unsigned threads, const struct optimizer_settings *adamw)
{
    const q_random_key key = q_random_key_of(9, "test", 0, 0);
    const int32_t vocabulary = (int32_t)model_config_ids(config);
    const size_t tokens = shape->batch * shape->sequence;
    *f = (struct fixture){.ops = ops};
    assert_ok(q_pool_create(threads, &f->pool));
    assert_ok(ops->create(f->pool, &f->context));
    assert_ok(model_create(config, ops, f->context, shape, &f->model));
    assert_ok(model_init(f->model, 5, f->pool));
    assert_ok(optimizer_create(f->model, adamw, NULL, &f->optimizer));
    assert_ok(q_alloc(tokens + 1, sizeof *f->ids, &f->ids));
    for (size_t i = 0; i <= tokens; i++)
        f->ids[i] =
            i % 7 ? (f->ids[i - 1] * 5 + 1) % vocabulary : (int32_t)q_random_below(key, i, (uint64_t)vocabulary);
}

static inline void tear_down(struct fixture *f)
{
    q_release(f->ids);
    optimizer_release(f->optimizer);
    model_release(f->model);
    f->ops->release(f->context);
    q_pool_release(f->pool);
}

/* Every parameter and bias of a, by its name in b. */
static inline void assert_equal_parameters(const struct fixture *a, const struct fixture *b)
{
    size_t count;
    const struct model_parameter *p = model_parameters(a->model, &count);
    for (size_t i = 0; i < count; i++) {
        const struct model_parameter *other = model_find_parameter(b->model, p[i].name);
        op_acc *x, *y;
        assert_non_null(other);
        assert_int_equal(p[i].count, other->count);
        assert_ok(q_alloc(p[i].count, sizeof *x, &x));
        assert_ok(q_alloc(p[i].count, sizeof *y, &y));
        model_get(a->model, &p[i], x);
        model_get(b->model, other, y);
        assert_memory_equal(x, y, p[i].count * sizeof *x);
        q_release(x);
        q_release(y);
    }
}

static inline void write_model(const struct model *model, const char *folder)
{
    struct q_arena arena = {0};
    struct model_file_list list = {0};
    assert_ok(q_fs_make_directories(folder));
    assert_ok(model_files_write(model, folder, &arena, &list));
    q_arena_release(&arena);
}

#endif
