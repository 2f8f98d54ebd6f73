#include "tests/train/cuda/defects_hopper.h"

#include "train/cuda/cuda_tensor_map.h"
#include "train/cuda/cuda_wgmma.cuh"

enum { ROWS = 512, WIDTH = 64, HEIGHT = 64, BOX = HEIGHT * WIDTH * 2, BOXES = 5 };

/* Rows from `row` on, all boxes: X's, and four of Y's. */
static __device__ void load_boxes(uint32_t to, const CUtensorMap *map, uint32_t barrier, int row, unsigned told)
{
    mbarrier_expect(barrier, told);
    for (int i = 0; i < BOXES; i++)
        tensor_load(to + i * BOX, map, 0, row + i * HEIGHT, 0, barrier);
}

static __global__ void multiply_kernel(const CUtensorMap map, float *out, enum hopper_defect defect)
{
    const uint32_t shared = shared_address(shared_floats()), to = (shared + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES;
    const uint32_t barrier = to + BOXES * BOX;
    const unsigned told = defect == HOPPER_TOO_FEW_BYTES    ? BOXES * BOX - 128
                          : defect == HOPPER_TOO_MANY_BYTES ? BOXES * BOX + 128
                                                            : BOXES * BOX;
    float sums[WGMMA_SUMS] = {};
    if (threadIdx.x == 0 && defect != HOPPER_NOT_MADE)
        mbarrier_init(barrier, 1);
    __syncthreads();
    if (threadIdx.x == 0)
        load_boxes(to, &map, barrier, 0, told);
    if (defect != HOPPER_NO_WAIT_FOR_TMA)
        mbarrier_wait(barrier, 0);
    if (defect != HOPPER_NO_FENCE)
        wgmma_fence();
    wgmma<false, false>(sums, wgmma_descriptor(to, 0), wgmma_descriptor(to + BOX, 0));
    wgmma_commit();
    __syncthreads(); /* all have seen the first load */
    if (defect == HOPPER_OVERWRITTEN && threadIdx.x == 0)
        load_boxes(to, &map, barrier, HEIGHT, told);
    if (defect != HOPPER_NO_WAIT_FOR_PRODUCTS)
        wgmma_wait<0>();
    if (defect == HOPPER_OVERWRITTEN)
        mbarrier_wait(barrier, 1);
    for (unsigned i = 0; i < WGMMA_SUMS; i++)
        out[threadIdx.x * WGMMA_SUMS + i] = sums[i];
}

void hopper_multiply(struct op_context *context, float *out, const void *x, enum hopper_defect defect)
{
    const struct cuda_box box = {x, {WIDTH, ROWS, 1}, {WIDTH * 2, WIDTH * 2}, {WIDTH, HEIGHT, 1}};
    struct cuda_plan plan = cuda_plan_blocks(1, WARPGROUP);
    CUtensorMap map;
    plan.shared = BOXES * BOX + 2 * ATOM_BYTES;
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &box, &map), "a map");
    launch(context, "hopper", plan, multiply_kernel, map, out, defect);
}

/* The first block tells the second one that it has seen them, and that one answers. */
static __global__ void share_kernel(const CUtensorMap map, enum hopper_defect defect)
{
    const uint32_t shared = shared_address(shared_floats()), to = (shared + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES;
    const uint32_t full = to + BOX, seen = full + 8, mine = blockIdx.x * BOX / 2;
    if (threadIdx.x == 0) {
        mbarrier_init(full, 1);
        mbarrier_init(seen, 1);
    }
    if (defect != HOPPER_APART_FIRST)
        cluster_barrier();
    if (threadIdx.x == 0) {
        mbarrier_expect(full, BOX);
        tensor_load_to(to + mine, &map, 0, (int)(blockIdx.x * HEIGHT / 2), 0, full, 3);
    }
    mbarrier_wait(full, 0);
    if (threadIdx.x == 0 && blockIdx.x == 1)
        mbarrier_wait(seen, 0);
    if (threadIdx.x == 0)
        mbarrier_arrive_at(seen, 1 - blockIdx.x);
    if (defect == HOPPER_APART_LAST)
        cluster_barrier(); /* which says nothing of arrivals that are under way */
    else if (threadIdx.x == 0 && blockIdx.x == 0)
        mbarrier_wait(seen, 0);
}

void hopper_share(struct op_context *context, const void *x, enum hopper_defect defect)
{
    const struct cuda_box box = {x, {WIDTH, ROWS, 1}, {WIDTH * 2, WIDTH * 2}, {WIDTH, HEIGHT / 2, 1}};
    struct cuda_plan plan = cuda_plan_blocks(2, WARPGROUP);
    CUtensorMap map;
    plan.shared = BOX + 2 * ATOM_BYTES;
    plan.cluster = 2;
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &box, &map), "a map");
    launch(context, "hopper, shared", plan, share_kernel, map, defect);
}
