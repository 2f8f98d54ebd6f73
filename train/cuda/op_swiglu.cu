/* swiglu: a row of gates and ups to a row of theirs, and back. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

template <int N>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX)
    swiglu_rows(real *out, const real *gate_up, size_t rows, size_t inner)
{
    const size_t row = row_index();
    if (row >= rows)
        return;
    for (size_t i = threadIdx.x * N; i < inner; i += blockDim.x * N) {
        float gate[N], up[N];
        load<N>(gate, gate_up + row * 2 * inner + i);
        load<N>(up, gate_up + row * 2 * inner + inner + i);
        for (int j = 0; j < N; j++)
            gate[j] = gate[j] * sigmoid(gate[j]) * up[j];
        store<N>(out + row * inner + i, gate);
    }
}

template <int N>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX)
    swiglu_backward_rows(real *dgate_up, const real *dout, const real *gate_up, size_t rows, size_t inner)
{
    const size_t row = row_index();
    if (row >= rows)
        return;
    for (size_t i = threadIdx.x * N; i < inner; i += blockDim.x * N) {
        float gate[N], up[N], d[N];
        load<N>(gate, gate_up + row * 2 * inner + i);
        load<N>(up, gate_up + row * 2 * inner + inner + i);
        load<N>(d, dout + row * inner + i);
        for (int j = 0; j < N; j++) {
            const float s = sigmoid(gate[j]), dgate = d[j] * up[j] * (s + gate[j] * s * (1.0F - s));
            up[j] = d[j] * gate[j] * s;
            gate[j] = dgate;
        }
        store<N>(dgate_up + row * 2 * inner + i, gate);
        store<N>(dgate_up + row * 2 * inner + inner + i, up);
    }
}

static bool is_packed(const op_real *narrow, const op_real *wide, size_t inner)
{
    return cuda_is_packed(narrow, inner, inner) && cuda_is_packed(wide, inner, inner);
}

static void swiglu(struct op_context *context, op_real *out, const op_real *gate_up, size_t rows, size_t inner)
{
    const bool packed = is_packed(out, gate_up, inner);
    launch(context, "swiglu", cuda_plan_rows(rows, inner, packed ? CUDA_PACK : 1),
           packed ? swiglu_rows<CUDA_PACK> : swiglu_rows<1>, reals_out(out), reals(gate_up), rows, inner);
}

static void swiglu_backward(struct op_context *context, op_real *dgate_up, const op_real *dout, const op_real *gate_up,
                            size_t rows, size_t inner)
{
    const bool packed = is_packed(dout, gate_up, inner) && cuda_is_packed(dgate_up, inner, inner);
    launch(context, "swiglu backward", cuda_plan_rows(rows, inner, packed ? CUDA_PACK : 1),
           packed ? swiglu_backward_rows<CUDA_PACK> : swiglu_backward_rows<1>, reals_out(dgate_up), reals(dout),
           reals(gate_up), rows, inner);
}

void CUDA_NAME(op_swiglu)(struct op_table *table)
{
    table->swiglu = swiglu;
    table->swiglu_backward = swiglu_backward;
}
