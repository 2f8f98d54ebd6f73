/* products: GFLOP/s of the CPU backend's matrix products on the shapes of model nano and on a large square, one thread. With a library's
 * path (libopenblas.so.0) its cblas_sgemm on the same shapes, loaded at run time so that nothing needs it to build.
 *
 *     products SHAPE [LIBRARY]     SHAPE: one of the names below; prints {"flop_per_s": ...}
 */
#include "base/clock.h"
#include "base/threads.h"
#include "train/ops.h"

#include <dlfcn.h>
#include <stdio.h>

/* CBLAS, as its header numbers them. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };
typedef void sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                   int lda, const float *b, int ldb, float beta, float *c, int ldc);

struct shape {
    const char *name;
    enum op_product kind;
    int m, n, k;
};

static const struct shape shapes[] = {
    {"forward-thin", OP_NT, 4096, 192, 64},    /* queries out of their latent */
    {"expert", OP_NT, 1024, 128, 128},         /* gate and up of an expert with its share of the tokens */
    {"input-gradient", OP_NN, 4096, 128, 512}, /* of the dense layer */
    {"weight-gradient", OP_TN, 512, 128, 4096}, {"large", OP_NT, 1024, 1024, 1024},
};

struct bench {
    const struct shape *shape;
    const struct op_table *table;
    struct op_context *context;
    sgemm *library; /* NULL: the backend */
    float *a, *b, *c;
};

static void multiply(const struct bench *bench)
{
    const struct shape *s = bench->shape;
    int a_stride = s->kind == OP_TN ? s->m : s->k, b_stride = s->kind == OP_NT ? s->k : s->n;
    if (bench->library) {
        bench->library(ROW_MAJOR, s->kind == OP_TN ? TRANSPOSE : NO_TRANSPOSE,
                       s->kind == OP_NT ? TRANSPOSE : NO_TRANSPOSE, s->m, s->n, s->k, 1, bench->a, a_stride, bench->b,
                       b_stride, 0, bench->c, s->n);
        return;
    }
    struct op_matmul product = {.kind = s->kind,
                                .m = (size_t)s->m,
                                .n = (size_t)s->n,
                                .k = (size_t)s->k,
                                .a = bench->a,
                                .a_stride = (size_t)a_stride,
                                .b = (const op_real *)(const void *)bench->b,
                                .b_stride = (size_t)b_stride,
                                .c = bench->c,
                                .c_stride = (size_t)s->n};
    bench->table->matmul(bench->context, &product);
}

/* The best of several stretches of about a tenth of a second each: what the code can do, not what else the machine did. */
static double seconds_per_call(const struct bench *bench)
{
    double best = 1e30;
    multiply(bench);
    for (int stretch = 0; stretch < 10; stretch++) {
        int calls = 0;
        double started = q_seconds(), taken;
        do {
            multiply(bench);
            calls++;
        } while ((taken = q_seconds() - started) < 0.1);
        best = taken / calls < best ? taken / calls : best;
    }
    return best;
}

static q_status load_library(const char *path, sgemm **out)
{
    void *library = dlopen(path, RTLD_NOW);
    void *symbol = library ? dlsym(library, "cblas_sgemm") : NULL;
    void *threads = library ? dlsym(library, "openblas_set_num_threads") : NULL;
    if (!symbol)
        return q_fail(Q_ERR_SYSTEM, "'%s' has no cblas_sgemm", path);
    memcpy(out, &symbol, sizeof symbol);
    if (threads) {
        void (*set_threads)(int);
        memcpy(&set_threads, &threads, sizeof threads);
        set_threads(1);
    }
    return Q_OK;
}

static q_status create(struct bench *bench)
{
    const struct shape *s = bench->shape;
    size_t a = (size_t)s->m * (size_t)s->k, b = (size_t)s->n * (size_t)s->k, c = (size_t)s->m * (size_t)s->n;
    size_t width = (size_t)(s->m > s->n ? s->m : s->n);
    struct op_limits limits = {.batch = 1, .sequence = 1, .width = width > (size_t)s->k ? width : (size_t)s->k};
    struct q_pool *pool;
    bench->table = op_table_cpu(OP_FP32);
    Q_TRY(q_pool_create(1, &pool));
    Q_TRY(bench->table->create(pool, &bench->context));
    Q_TRY(bench->table->reserve(bench->context, &limits));
    Q_TRY(bench->table->memory_create(bench->context, a * sizeof(float), &bench->a));
    Q_TRY(bench->table->memory_create(bench->context, b * sizeof(float), &bench->b));
    Q_TRY(bench->table->memory_create(bench->context, c * sizeof(float), &bench->c));
    for (size_t i = 0; i < a; i++)
        bench->a[i] = (float)(i % 17) - 8;
    for (size_t i = 0; i < b; i++)
        bench->b[i] = (float)(i % 13) - 6;
    return Q_OK;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    for (size_t i = 0; argc >= 2 && i < sizeof shapes / sizeof shapes[0]; i++)
        bench.shape = strcmp(argv[1], shapes[i].name) == 0 ? &shapes[i] : bench.shape;
    if (!bench.shape) {
        fprintf(stderr, "usage: products forward-thin|expert|input-gradient|weight-gradient|large [LIBRARY]\n");
        return 2;
    }
    if ((argc > 2 && load_library(argv[2], &bench.library)) || create(&bench)) {
        fprintf(stderr, "products: %s\n", q_error_text());
        return 4;
    }
    double flop = 2.0 * bench.shape->m * bench.shape->n * bench.shape->k;
    printf("{\"flop_per_s\":%.0f}\n", flop / seconds_per_call(&bench));
    return 0;
}
