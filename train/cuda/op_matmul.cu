/* matmul: by cuBLASLt, or by a plain kernel (cuda_plain_tile.cuh) where that has no algorithm. A wide matrix beside one of BF16 becomes three of BF16 whose
 * sum it is (8 bits of it in each), so that the matrix units compute it: side by side along k where it is the gradient of an input, one after the other where
 * it is that of a weight; if that is BF16, as floats in between. */
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_plain_tile.cuh"
#include "train/cuda/cuda_product.cuh"
#include "train/cuda/cuda_workspace.h"

#include "base/check.h"

enum { PARTS = 3 };

static const char *const kind_names[] = {"NT", "NN", "TN"}; /* by op_product */

/* A block for each tile of C, whose numbers are of type C. */
template <class C> static __global__ void multiply_plain(struct cuda_product product)
{
    const size_t columns = (product.n + TILE - 1) / TILE;
    const size_t row = blockIdx.x / columns * TILE, column = blockIdx.x % columns * TILE;
    const real *a = (const real *)product.a, *b = (const real *)product.b;
    float sum[EACH][EACH] = {{0}};
    tile_multiply(
        sum, product.k,
        [&](size_t i, size_t p) {
            return row + i >= product.m    ? 0.0F
                   : product.kind == OP_TN ? widen(a[p * product.a_stride + row + i])
                                           : widen(a[(row + i) * product.a_stride + p]);
        },
        [&](size_t p, size_t j) {
            return column + j >= product.n ? 0.0F
                   : product.kind == OP_NT ? widen(b[(column + j) * product.b_stride + p])
                                           : widen(b[p * product.b_stride + column + j]);
        });
    tile_each(sum, [&](size_t i, size_t j, float x) {
        C *to = (C *)product.c + (row + i) * product.c_stride + column + j;
        if (row + i < product.m && column + j < product.n)
            narrow_to(to, product.accumulate ? widen(*to) + x : x);
    });
}

void CUDA_NAME(cuda_multiply)(struct op_context *context, void *room, const struct cuda_product *product,
                              const char *name)
{
    q_check(product->narrow == CUDA_NARROW);
    if (context->error)
        return;
    const cudaError_t error = cuda_way_open(context, CUDA_CUBLASLT)
                                  ? cuda_blas_multiply(context->blas, context->stream, room, product)
                                  : cudaErrorNotSupported;
    if (error != cudaErrorNotSupported) {
        cuda_way_count(context, name, "cuBLASLt");
        cuda_note(context, error, name);
        return;
    }
    cuda_way_refused(context, name, "plain", "%s, m %zu, n %zu, k %zu, strides %zu, %zu, %zu",
                     kind_names[product->kind], product->m, product->n, product->k, product->a_stride,
                     product->b_stride, product->c_stride);
    const size_t tiles = (size_t)q_ceil_div(product->m, TILE) * (size_t)q_ceil_div(product->n, TILE);
    launch(context, name, tile_plan(tiles), product->narrow_c ? multiply_plain<real> : multiply_plain<float>, *product);
}

static void multiply(struct op_context *context, void *room, const struct cuda_product &product)
{
    q_check(product.n > 0 && (product.k > 0 || product.accumulate));
    if (product.m > 0 && product.k > 0)
        CUDA_NAME(cuda_multiply)(context, room, &product, "matmul");
}

static struct cuda_product plain_product(const struct op_matmul *p)
{
    struct cuda_product product = {};
    product.kind = p->kind;
    product.m = p->m;
    product.n = p->n;
    product.k = p->k;
    product.a = p->a;
    product.b = p->b;
    product.c = p->c;
    product.a_stride = p->a_stride;
    product.b_stride = p->b_stride;
    product.c_stride = p->c_stride;
    product.narrow = CUDA_NARROW;
    product.narrow_c = CUDA_NARROW && (p->kind == OP_TN ? p->narrow : !(p->wide && p->kind == OP_NT));
    product.accumulate = p->accumulate;
    return product;
}

/* parts[row][PARTS][width]: what of each number the parts before it leave. */
static __global__ void split_rows(__nv_bfloat16 *parts, const float *x, size_t stride, size_t rows, size_t width)
{
    for (size_t i = item_index(); i < rows * width; i += item_step()) {
        const size_t row = i / width, column = i % width;
        float rest = x[row * stride + column];
        for (size_t part = 0; part < PARTS; part++) {
            __nv_bfloat16 *to = &parts[(row * PARTS + part) * width + column];
            narrow_to(to, rest);
            rest = isfinite(widen(*to)) ? rest - widen(*to) : 0.0F; /* an infinity stays one */
        }
    }
}

/* The rows of b, PARTS times below each other. */
static __global__ void repeat_rows(real *out, const real *b, size_t stride, size_t rows, size_t width)
{
    for (size_t i = item_index(); i < PARTS * rows * width; i += item_step())
        out[i] = b[i / width % rows * stride + i % width];
}

/* A[m,k] B[k,n] = [A1 A2 A3] [B; B; B]. */
static void wide_nn(struct op_context *context, struct cuda_product product, void *room, __nv_bfloat16 *parts,
                    size_t used)
{
    real *repeated = (real *)cuda_take(context, &used, PARTS * product.k * product.n, sizeof(real));
    launch(context, "matmul, repeat", cuda_plan_items(PARTS * product.k * product.n), repeat_rows, repeated,
           (const real *)product.b, product.b_stride, product.k, product.n);
    product.a = parts;
    product.b = repeated;
    product.k *= PARTS;
    product.a_stride = product.k;
    product.b_stride = product.n;
    multiply(context, room, product);
}

/* A[k,m]^T B[k,n] = A1^T B + A2^T B + A3^T B. */
static void wide_tn(struct op_context *context, struct cuda_product product, void *room, __nv_bfloat16 *parts)
{
    product.a_stride = PARTS * product.m;
    for (size_t part = 0; part < PARTS; part++) {
        product.a = parts + part * product.m;
        multiply(context, room, product);
        product.accumulate = true;
    }
}

static __global__ void add_floats(real *c, size_t stride, const float *sums, size_t rows, size_t width, bool accumulate)
{
    for (size_t i = item_index(); i < rows * width; i += item_step()) {
        real *to = c + i / width * stride + i % width;
        narrow_to(to, accumulate ? widen(*to) + sums[i] : sums[i]);
    }
}

/* The same where C is reals: what three parts add to it is rounded once. */
static void wide_narrow_tn(struct op_context *context, const struct cuda_product &product, void *room,
                           __nv_bfloat16 *parts, size_t used)
{
    float *sums = (float *)cuda_take(context, &used, product.m * product.n, sizeof(float));
    struct cuda_product floats = product;
    if (product.k == 0)
        return;
    floats.c = sums;
    floats.c_stride = product.n;
    floats.narrow_c = floats.accumulate = false;
    wide_tn(context, floats, room, parts);
    launch(context, "matmul, add", cuda_plan_items(product.m * product.n), add_floats, (real *)product.c,
           product.c_stride, (const float *)sums, product.m, product.n, product.accumulate);
}

static void matmul(struct op_context *context, const struct op_matmul *p)
{
    const struct cuda_product product = plain_product(p);
    size_t used = 0;
    void *room = cuda_take(context, &used, CUDA_BLAS_WORKSPACE, 1);
    if (!CUDA_NARROW || !p->wide || p->kind == OP_NT) {
        multiply(context, room, product);
        return;
    }
    const size_t rows = p->kind == OP_NN ? p->m : p->k, width = p->kind == OP_NN ? p->k : p->m;
    __nv_bfloat16 *parts = (__nv_bfloat16 *)cuda_take(context, &used, PARTS * rows * width, sizeof *parts);
    launch(context, "matmul, parts", cuda_plan_items(rows * width), split_rows, parts, (const float *)p->a, p->a_stride,
           rows, width);
    if (p->kind == OP_NN)
        wide_nn(context, product, room, parts, used);
    else if (product.narrow_c)
        wide_narrow_tn(context, product, room, parts, used);
    else
        wide_tn(context, product, room, parts);
}

void CUDA_NAME(op_matmul)(struct op_table *table)
{
    table->matmul = matmul;
}
