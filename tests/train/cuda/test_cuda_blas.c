/* cuda_blas.c and the products over it, with a strict cuBLASLt over the emulated device (emulated_cublaslt.c): every kind of product, as they come and where
 * the library refuses them, its cache, its failures, and what is said where there is no such library. dlopen and dlsym come here first (--wrap). */
#include "emulated_blas.h"
#include "tests/base/cmocka_all.h"
#include "train/bfloat16.h"
#include "train/cuda/cuda_blas.h"
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_plan.h"

#include "base/check.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

/* The loader. */
static bool library_missing;
static unsigned symbol_missing_at; /* the k-th one from now that is looked up (0: none) */
static char library_names[128], symbol_missing[64];

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);

void *__wrap_dlopen(const char *name, int flags)
{
    const size_t used = strlen(library_names);
    (void)snprintf(library_names + used, sizeof library_names - used, " %s", name);
    return library_missing ? NULL : __real_dlopen(name, flags);
}

void *__wrap_dlsym(void *library, const char *name)
{
    if (symbol_missing_at && --symbol_missing_at == 0) {
        (void)snprintf(symbol_missing, sizeof symbol_missing, "%s", name);
        return NULL;
    }
    return __real_dlsym(library, name);
}

/* A table and its context. */
struct fixture {
    struct op_table table;
    struct op_context *context;
};

static const struct op_limits limits = {.batch = 2,
                                        .sequence = 64,
                                        .hidden = 64,
                                        .vocabulary = 128,
                                        .experts = 128,
                                        .top_k = 1,
                                        .width = 256,
                                        .parameters = 256};

static void set_up(struct fixture *f, enum op_precision precision)
{
    emulated_blas = (struct emulated_blas){0};
    if (precision == OP_BF16)
        cuda_table_bf16(&f->table);
    else
        cuda_table_fp32(&f->table);
    assert_ok(f->table.create(NULL, &f->context));
    assert_ok(f->table.reserve(f->context, &limits));
}

static void tear_down(struct fixture *f)
{
    f->table.release(f->context);
    assert_int_equal(emulated_blas.alive, 0);
}

/* A matrix of a product: its numbers as they are given to the device, and there. */
enum { NUMBERS_MAX = 20000, VIEW_BYTES = 4 };
struct matrix {
    bool narrow;
    size_t count;
    double numbers[NUMBERS_MAX];
    char *there;    /* the memory */
    op_real *start; /* the matrix: there, or VIEW_BYTES behind */
};

/* Whole numbers of -4 to 4: products and their sums are exact in FP32, and so is what is to come. */
static double number_of(size_t i, unsigned which)
{
    return (double)((i * 2654435761U + which * 40503U) >> 7 & 7) - 3.5 + (double)(which & 1) / 2;
}

static void matrix_give(const struct fixture *f, struct matrix *matrix)
{
    static union {
        float wide[NUMBERS_MAX];
        uint16_t narrow[NUMBERS_MAX];
    } given;
    for (size_t i = 0; i < matrix->count; i++)
        if (matrix->narrow)
            given.narrow[i] = bfloat16_of_float((float)matrix->numbers[i]);
        else
            given.wide[i] = (float)matrix->numbers[i];
    f->table.copy_in(f->context, matrix->start, &given, matrix->count * (matrix->narrow ? 2 : 4));
}

static void matrix_take(const struct fixture *f, struct matrix *matrix)
{
    static float wide[NUMBERS_MAX];
    static uint16_t narrow[NUMBERS_MAX];
    void *taken = matrix->narrow ? (void *)narrow : wide;
    f->table.copy_out(f->context, taken, matrix->start, matrix->count * (matrix->narrow ? 2 : 4));
    for (size_t i = 0; i < matrix->count; i++)
        matrix->numbers[i] = matrix->narrow ? (double)bfloat16_to_float(narrow[i]) : (double)wide[i];
}

static void matrix_create(const struct fixture *f, struct matrix *matrix, bool narrow, size_t count, bool view,
                          unsigned which)
{
    assert_true(count <= NUMBERS_MAX);
    matrix->narrow = narrow;
    matrix->count = count;
    assert_ok(f->table.memory_create(f->context, count * 4 + VIEW_BYTES, &matrix->there));
    matrix->start = (op_real *)(void *)(matrix->there + (view ? VIEW_BYTES : 0));
    for (size_t i = 0; i < count; i++)
        matrix->numbers[i] = number_of(i, which);
    matrix_give(f, matrix);
}

/* One product of the many. */
struct shape {
    enum op_product kind;
    size_t m, n, k, pad;
    bool accumulate, wide, view, narrow;
};

/* By hand, over what C was: `expect` and then what the device has must agree on all of it, on what lies between the rows too. */
static void multiply_by_hand(const struct shape *s, const struct op_matmul *p, const struct matrix *a,
                             const struct matrix *b, const struct matrix *c, double *expect)
{
    memcpy(expect, c->numbers, c->count * sizeof *expect);
    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < s->n; j++) {
            double sum = s->accumulate ? c->numbers[i * p->c_stride + j] : 0;
            for (size_t k = 0; k < s->k; k++)
                sum += a->numbers[s->kind == OP_TN ? k * p->a_stride + i : i * p->a_stride + k] *
                       b->numbers[s->kind == OP_NT ? j * p->b_stride + k : k * p->b_stride + j];
            expect[i * p->c_stride + j] = c->narrow ? (double)bfloat16_to_float(bfloat16_of_float((float)sum)) : sum;
        }
}

static void check_product(const struct fixture *f, const struct shape *s)
{
    static struct matrix a, b, c;
    static double expect[NUMBERS_MAX];
    const bool narrow = f->table.real_bytes == 2;
    const size_t a_rows = s->kind == OP_TN ? s->k : s->m, b_rows = s->kind == OP_NT ? s->n : s->k;
    struct op_matmul p = {.kind = s->kind,
                          .m = s->m,
                          .n = s->n,
                          .k = s->k,
                          .a_stride = (s->kind == OP_TN ? s->m : s->k) + s->pad,
                          .b_stride = (s->kind == OP_NT ? s->k : s->n) + s->pad,
                          .c_stride = s->n + s->pad,
                          .accumulate = s->accumulate,
                          .wide = s->wide,
                          .narrow = s->narrow};
    matrix_create(f, &a, narrow && !(s->wide && s->kind != OP_NT), a_rows * p.a_stride, s->view, 0);
    matrix_create(f, &b, narrow, b_rows * p.b_stride, s->view, 1);
    const bool narrow_c = narrow && (s->kind == OP_TN ? s->narrow : !(s->wide && s->kind == OP_NT));
    matrix_create(f, &c, narrow_c, s->m * p.c_stride, s->view, 2);
    multiply_by_hand(s, &p, &a, &b, &c, expect);
    if (!s->accumulate) { /* whatever was there */
        for (size_t i = 0; i < s->m; i++)
            for (size_t j = 0; j < s->n; j++)
                c.numbers[i * p.c_stride + j] = NAN;
        matrix_give(f, &c);
    }
    p.a = a.start;
    p.b = b.start;
    p.c = c.start;
    f->table.matmul(f->context, &p);
    matrix_take(f, &c);
    assert_ok(f->table.synchronize(f->context));
    for (size_t i = 0; i < c.count; i++)
        if (c.numbers[i] != expect[i])
            fail_msg("kind %d, %zu x %zu x %zu, padding %zu, accumulate %d, wide %d, view %d, narrow %d: %g, not %g",
                     s->kind, s->m, s->n, s->k, s->pad, s->accumulate, s->wide, s->view, s->narrow, c.numbers[i],
                     expect[i]);
    f->table.memory_release(f->context, a.there);
    f->table.memory_release(f->context, b.there);
    f->table.memory_release(f->context, c.there);
}

static void check_products(const struct fixture *f)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {7, 17, 5}, {33, 8, 64}, {70, 129, 16}};
    for (size_t i = 0; i < Q_COUNT_OF(sizes); i++)
        for (unsigned bits = 0; bits < 128; bits++) {
            const struct shape shape = {.kind = (enum op_product)(bits % 4),
                                        .m = sizes[i][0],
                                        .n = sizes[i][1],
                                        .k = sizes[i][2],
                                        .pad = (bits >> 2 & 1) * 3,
                                        .accumulate = bits >> 3 & 1,
                                        .wide = bits >> 4 & 1,
                                        .view = bits >> 5 & 1,
                                        .narrow = bits >> 6 & 1};
            if (shape.kind == OP_TN || (shape.kind < OP_TN && !shape.narrow))
                check_product(f, &shape);
        }
}

static void every_product_is_right(void **state)
{
    (void)state;
    for (int precision = OP_FP32; precision <= OP_BF16; precision++) {
        struct fixture f;
        set_up(&f, (enum op_precision)precision);
        check_products(&f);
        assert_true(emulated_blas.multiplied >= (size_t)4 * 48); /* each by the library */
        tear_down(&f);
    }
}

static void what_is_refused_is_computed(void **state)
{
    (void)state;
    for (int precision = OP_FP32; precision <= OP_BF16; precision++) {
        struct fixture f;
        set_up(&f, (enum op_precision)precision);
        emulated_blas.refusal = REFUSES_BY_COUNT;
        check_products(&f);
        assert_true(emulated_blas.searched > 50 && emulated_blas.multiplied == 0);
        tear_down(&f);
    }
}

enum { TOKENS = 9, HIDDEN = 24, VOCABULARY = 100 };

/* Losses, and the gradients: what the three products of a head make. */
static void cross_entropy(const struct fixture *f, struct matrix *out)
{
    static struct matrix x, weight;
    int32_t targets[TOKENS], *there;
    const bool narrow = f->table.real_bytes == 2;
    for (int i = 0; i < TOKENS; i++)
        targets[i] = i * 7 - 1;
    assert_ok(f->table.memory_create(f->context, sizeof targets, &there));
    f->table.copy_in(f->context, there, targets, sizeof targets);
    matrix_create(f, &x, narrow, TOKENS * HIDDEN, false, 0);
    matrix_create(f, &weight, narrow, VOCABULARY * HIDDEN, false, 1);
    matrix_create(f, &out[0], false, TOKENS, false, 2);
    matrix_create(f, &out[1], narrow, TOKENS * HIDDEN, false, 2);
    matrix_create(f, &out[2], false, VOCABULARY * HIDDEN, false, 2);
    const struct op_cross_entropy loss = {.tokens = TOKENS,
                                          .hidden = HIDDEN,
                                          .vocabulary = VOCABULARY,
                                          .x = x.start,
                                          .weight = weight.start,
                                          .targets = there,
                                          .losses = (op_acc *)(void *)out[0].start,
                                          .grad_scale = 0.5F,
                                          .dx = out[1].start,
                                          .dweight = (op_acc *)(void *)out[2].start};
    f->table.cross_entropy(f->context, &loss);
    for (int i = 0; i < 3; i++) {
        matrix_take(f, &out[i]);
        f->table.memory_release(f->context, out[i].there);
    }
    f->table.memory_release(f->context, x.there);
    f->table.memory_release(f->context, weight.there);
    f->table.memory_release(f->context, there);
    assert_ok(f->table.synchronize(f->context));
}

static void a_refused_head_is_computed(void **state)
{
    (void)state;
    static struct matrix by_library[3], by_kernel[3];
    for (int precision = OP_FP32; precision <= OP_BF16; precision++) {
        struct fixture f;
        set_up(&f, (enum op_precision)precision);
        cross_entropy(&f, by_library);
        assert_int_equal(emulated_blas.multiplied, 3);
        tear_down(&f);
        set_up(&f, (enum op_precision)precision);
        emulated_blas.refusal = REFUSES_BY_COUNT;
        cross_entropy(&f, by_kernel);
        assert_int_equal(emulated_blas.multiplied, 0);
        tear_down(&f);
        for (int i = 0; i < 3; i++)
            for (size_t j = 0; j < by_kernel[i].count; j++)
                assert_true(fabs(by_kernel[i].numbers[j] - by_library[i].numbers[j]) <=
                            (by_kernel[i].narrow ? 0x1p-7 : 1e-5) * (1 + fabs(by_library[i].numbers[j])));
    }
}

/* No tokens: nothing is written, nothing asked. */
static void what_is_empty_is_left_alone(void **state)
{
    (void)state;
    struct fixture f;
    void *memory;
    set_up(&f, OP_BF16);
    assert_ok(f.table.memory_create(f.context, 4096, &memory));
    for (int kind = OP_NT; kind <= OP_TN; kind++)
        for (int wide = 0; wide < 4; wide++) { /* and narrow */
            const struct op_matmul p = {.kind = (enum op_product)kind,
                                        .m = kind == OP_TN ? 8 : 0,
                                        .n = 8,
                                        .k = kind == OP_TN ? 0 : 8,
                                        .a = memory,
                                        .a_stride = 8,
                                        .b = memory,
                                        .b_stride = 8,
                                        .c = memory,
                                        .c_stride = 8,
                                        .accumulate = true,
                                        .wide = wide % 2,
                                        .narrow = wide / 2};
            f.table.matmul(f.context, &p);
        }
    assert_ok(f.table.synchronize(f.context));
    assert_int_equal(emulated_blas.searched, 0);
    f.table.memory_release(f.context, memory);
    tear_down(&f);
}

/* A library by itself, with memory for small products. */
struct bare {
    struct cuda_blas *blas;
    cudaStream_t stream;
    void *memory, *workspace;
};

enum { SIDE = 8 };

static void bare_set_up_as(struct bare *bare, bool deterministic)
{
    emulated_blas = (struct emulated_blas){0};
    assert_int_equal(cudaStreamCreateWithFlags(&bare->stream, cudaStreamNonBlocking), cudaSuccess);
    assert_int_equal(cudaMalloc(&bare->memory, 1 << 20), cudaSuccess);
    assert_int_equal(cudaMalloc(&bare->workspace, CUDA_BLAS_WORKSPACE), cudaSuccess);
    assert_ok(cuda_blas_create(deterministic, &bare->blas));
}

static void bare_set_up(struct bare *bare)
{
    bare_set_up_as(bare, true);
}

static void bare_tear_down(struct bare *bare)
{
    cuda_blas_release(bare->blas);
    (void)cudaFree(bare->memory);
    (void)cudaFree(bare->workspace);
    (void)cudaStreamDestroy(bare->stream);
    assert_int_equal(emulated_blas.alive, 0);
}

static struct cuda_product small_product(const struct bare *bare, size_t m)
{
    const char *memory = bare->memory;
    return (struct cuda_product){.kind = OP_NT,
                                 .m = m,
                                 .n = SIDE,
                                 .k = SIDE,
                                 .a = memory + (256 << 10),
                                 .b = memory + (512 << 10),
                                 .c = bare->memory,
                                 .a_stride = SIDE,
                                 .b_stride = SIDE,
                                 .c_stride = SIDE};
}

static cudaError_t multiply(const struct bare *bare, const struct cuda_product *product)
{
    return cuda_blas_multiply(bare->blas, bare->stream, bare->workspace, product);
}

/* A shape is looked for once; behind 512 of them the cache begins again, and holds no more than that of the library's memory. */
static void shapes_are_kept(void **state)
{
    (void)state;
    enum { SHAPES = 1300, KEPT = 512, PARTS = 4 };
    struct bare bare;
    bare_set_up(&bare);
    for (size_t m = 1; m <= SHAPES; m++) {
        const struct cuda_product product = small_product(&bare, m);
        for (int again = 0; again < 2; again++)
            assert_int_equal(multiply(&bare, &product), cudaSuccess);
        assert_int_equal(emulated_blas.searched, m);
        assert_true(emulated_blas.alive <= 1 + KEPT * PARTS);
    }
    assert_int_equal(emulated_blas.multiplied, 2 * SHAPES);
    bare_tear_down(&bare);
    bare_set_up(&bare);
    for (int again = 0; again < 3; again++) /* as many as there is room for stay */
        for (size_t m = 1; m <= KEPT; m++) {
            const struct cuda_product product = small_product(&bare, m);
            assert_int_equal(multiply(&bare, &product), cudaSuccess);
        }
    assert_int_equal(emulated_blas.searched, KEPT);
    bare_tear_down(&bare);
}

/* Parts of a product are added in C where their order does not matter, and C is FP32: else each sum would be rounded to it. */
static void parts_are_added_in_place_where_they_may(void **state)
{
    (void)state;
    for (int deterministic = 0; deterministic < 2; deterministic++) {
        struct bare bare;
        bare_set_up_as(&bare, deterministic);
        struct cuda_product product = small_product(&bare, 5);
        assert_int_equal(multiply(&bare, &product), cudaSuccess);
        assert_int_equal(emulated_blas.in_place, deterministic ? 0 : 1);
        product.narrow = true;
        assert_int_equal(multiply(&bare, &product), cudaSuccess);
        assert_int_equal(emulated_blas.in_place, deterministic ? 0 : 2);
        product.narrow_c = true;
        assert_int_equal(multiply(&bare, &product), cudaSuccess);
        assert_int_equal(emulated_blas.in_place, deterministic ? 0 : 2);
        assert_int_equal(emulated_blas.multiplied, 3);
        bare_tear_down(&bare);
    }
}

/* A refusal is kept too, whatever way it came, beside shapes that are not refused. */
static void a_refusal_is_kept(void **state)
{
    (void)state;
    for (int refusal = REFUSES_BY_STATUS; refusal <= REFUSES_TO_RUN; refusal++) {
        struct bare bare;
        bare_set_up(&bare);
        const struct cuda_product refused = small_product(&bare, 5), other = small_product(&bare, 6);
        emulated_blas.refusal = (enum emulated_refusal)refusal;
        assert_int_equal(multiply(&bare, &refused), cudaErrorNotSupported);
        emulated_blas.refusal = REFUSES_NOTHING;
        assert_int_equal(multiply(&bare, &refused), cudaErrorNotSupported);
        assert_int_equal(multiply(&bare, &other), cudaSuccess);
        assert_int_equal(emulated_blas.searched, 2);
        bare_tear_down(&bare);
    }
}

/* What is wrong in a product is not taken for a refusal: the strict library says so. */
static void defects_are_seen(void **state)
{
    (void)state;
    struct bare bare;
    bare_set_up(&bare);
    struct cuda_product products[6];
    for (size_t i = 0; i < Q_COUNT_OF(products); i++)
        products[i] = small_product(&bare, SIDE + i);
    static float of_the_host[1024];
    products[0].a_stride = SIDE - 1; /* rows overlap */
    products[1].c_stride = SIDE - 1;
    products[2].k = 0;                                                /* empty */
    products[3].a = of_the_host;                                      /* memory of the host */
    products[4].b = (char *)bare.workspace + CUDA_BLAS_WORKSPACE - 4; /* beyond the device's */
    products[5].narrow_c = true;                                      /* BF16 of FP32 */
    for (size_t i = 0; i < Q_COUNT_OF(products); i++)
        assert_int_equal(multiply(&bare, &products[i]), cudaErrorInvalidValue);
    const struct cuda_product good = small_product(&bare, 40);
    assert_int_equal(cuda_blas_multiply(bare.blas, bare.stream, (char *)bare.workspace + 16, &good),
                     cudaErrorInvalidValue);
    assert_int_equal(cuda_blas_multiply(bare.blas, NULL, bare.workspace, &good), cudaErrorInvalidValue);
    assert_int_equal(multiply(&bare, &good), cudaSuccess);
    bare_tear_down(&bare);
}

static cudaError_t create_and_multiply(struct bare *bare)
{
    cuda_blas_release(bare->blas);
    bare->blas = NULL;
    if (cuda_blas_create(true, &bare->blas) != Q_OK) {
        assert_string_equal(q_error_text(), "cuBLASLt does not start on this GPU");
        return cudaErrorUnknown;
    }
    const struct cuda_product product = small_product(bare, 4);
    return multiply(bare, &product);
}

/* Each call in its turn fails: an error comes, the one that it is, and nothing is kept of it. */
static void every_failure_comes_out(void **state)
{
    (void)state;
    static const struct {
        cublasStatus_t status;
        cudaError_t error;
    } failures[] = {{CUBLAS_STATUS_ALLOC_FAILED, cudaErrorMemoryAllocation},
                    {CUBLAS_STATUS_EXECUTION_FAILED, cudaErrorLaunchFailure},
                    {CUBLAS_STATUS_INVALID_VALUE, cudaErrorInvalidValue},
                    {CUBLAS_STATUS_INTERNAL_ERROR, cudaErrorUnknown}};
    struct bare bare;
    bare_set_up(&bare);
    for (size_t i = 0; i < Q_COUNT_OF(failures); i++) {
        unsigned k = 0;
        cudaError_t error;
        do {
            emulated_blas.fail_at = ++k;
            emulated_blas.fail_with = failures[i].status;
            error = create_and_multiply(&bare);
            assert_true(error == cudaSuccess || error == failures[i].error || k == 1); /* the first one creates */
            if (k == 1)
                continue;
            const struct cuda_product product = small_product(&bare, 4);
            emulated_blas.fail_at = 0;
            assert_int_equal(multiply(&bare, &product), cudaSuccess);
        } while (error != cudaSuccess);
        assert_true(k > 12);
    }
    bare_tear_down(&bare);
}

/* And out of the operation, with its name. */
static void an_operation_says_what_failed(void **state)
{
    (void)state;
    struct fixture f;
    void *memory;
    set_up(&f, OP_FP32);
    assert_ok(f.table.memory_create(f.context, 4096, &memory));
    const struct op_matmul p = {.kind = OP_NT,
                                .m = SIDE,
                                .n = SIDE,
                                .k = SIDE,
                                .a = memory,
                                .a_stride = SIDE,
                                .b = memory,
                                .b_stride = SIDE,
                                .c = (char *)memory + 1024,
                                .c_stride = SIDE};
    emulated_blas.fail_at = 1;
    emulated_blas.fail_with = CUBLAS_STATUS_ALLOC_FAILED;
    f.table.matmul(f.context, &p);
    assert_int_equal(f.table.synchronize(f.context), Q_ERR_MEMORY);
    assert_string_equal(q_error_text(), "the GPU: matmul: out of memory");
    f.table.memory_release(f.context, memory);
    tear_down(&f);
}

static void without_the_library_it_says_so(void **state)
{
    (void)state;
    struct op_table table;
    struct op_context *context = NULL;
    cuda_table_bf16(&table);
    library_names[0] = 0;
    library_missing = true;
    assert_int_equal(table.create(NULL, &context), Q_ERR_SYSTEM);
    library_missing = false;
    assert_string_equal(q_error_text(), "there is no cuBLASLt (libcublasLt.so.13 or .12) to multiply matrices with; "
                                        "install cuBLAS, or add its folder to LD_LIBRARY_PATH");
    assert_string_equal(library_names, " libcublasLt.so.13 libcublasLt.so.12"); /* no other version, nor one of any */
    assert_null(context);
}

static void another_library_is_refused(void **state)
{
    (void)state;
    struct op_table table;
    struct op_context *context = NULL;
    unsigned k = 0;
    emulated_blas = (struct emulated_blas){0};
    cuda_table_fp32(&table);
    do {
        char line[256];
        symbol_missing_at = ++k;
        if (table.create(NULL, &context) == Q_OK)
            break;
        (void)snprintf(line, sizeof line, "the cuBLASLt that is installed lacks '%s'; install version 12 or 13",
                       symbol_missing);
        assert_string_equal(q_error_text(), line);
    } while (k < 100);
    symbol_missing_at = 0;
    assert_int_equal(k - 1, 12); /* the calls */
    table.release(context);
    assert_int_equal(emulated_blas.alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_product_is_right),
        cmocka_unit_test(what_is_refused_is_computed),
        cmocka_unit_test(a_refused_head_is_computed),
        cmocka_unit_test(what_is_empty_is_left_alone),
        cmocka_unit_test(shapes_are_kept),
        cmocka_unit_test(parts_are_added_in_place_where_they_may),
        cmocka_unit_test(a_refusal_is_kept),
        cmocka_unit_test(defects_are_seen),
        cmocka_unit_test(every_failure_comes_out),
        cmocka_unit_test(an_operation_says_what_failed),
        cmocka_unit_test(without_the_library_it_says_so),
        cmocka_unit_test(another_library_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
