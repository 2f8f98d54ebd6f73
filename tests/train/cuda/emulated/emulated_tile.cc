#include "emulated_tile.h"

#include "cuda_runtime.h"
#include "emulated_threads.h"

#include <vector>

namespace
{

enum { THREADS_MAX = EMULATED_THREADS_MAX, ROW_BYTES = 16 };

struct Copy {
    void *to;
    const void *from;
    unsigned bytes;
    bool there;
};

struct Copies {
    std::vector<Copy> begun;
    std::vector<std::vector<Copy>> groups; /* committed, and not yet waited for */
};

Copies copies[THREADS_MAX];
size_t under_way;                                            /* of all threads */
uint16_t rows[2][THREADS_MAX][ROW_BYTES / sizeof(uint16_t)]; /* of ldmatrix, of one and of the next */
const void *row_of[2][THREADS_MAX];
bool next_rows[THREADS_MAX];

void check_aligned(const void *at, unsigned bytes, const char *what)
{
    if (reinterpret_cast<uintptr_t>(at) % bytes)
        emulated_die(what);
}

/* Eight rows of a matrix are read in one pass where each has 4 of the 32 banks for itself. */
void check_banks(const void *const *matrix)
{
    unsigned banks = 0;
    for (unsigned i = 0; i < 8; i++)
        banks |= 1U << reinterpret_cast<uintptr_t>(matrix[i]) / ROW_BYTES % 8;
    if (banks != 0xff)
        emulated_die("ldmatrix of rows that are in the same banks");
}

void finish(const std::vector<Copy> &group)
{
    for (const Copy &copy : group)
        if (copy.there)
            memcpy(copy.to, copy.from, copy.bytes);
        else
            memset(copy.to, 0, copy.bytes);
    under_way -= group.size();
}

} // namespace

extern "C" {

void emulated_ldmatrix(uint32_t *x, const void *row, bool turned)
{
    const unsigned lane = emulated_lane(), first = emulated_thread() - lane;
    const bool next = next_rows[first + lane] = !next_rows[first + lane];
    check_aligned(row, ROW_BYTES, "ldmatrix of a row that is not aligned");
    memcpy(rows[next][first + lane], row, ROW_BYTES);
    row_of[next][first + lane] = row;
    __syncwarp(); /* none is two ahead of another */
    if (lane % 8 == 0)
        check_banks(&row_of[next][first + lane]);
    for (unsigned i = 0; i < 4; i++) {
        const unsigned matrix = first + 8 * i, a = lane / 4, b = lane % 4 * 2;
        const uint16_t low = turned ? rows[next][matrix + b][a] : rows[next][matrix + a][b],
                       high = turned ? rows[next][matrix + b + 1][a] : rows[next][matrix + a][b + 1];
        x[i] = low | static_cast<uint32_t>(high) << 16;
    }
}

void emulated_copy(void *to, const void *from, unsigned bytes, bool there)
{
    check_aligned(to, bytes, "a copy to a place that is not aligned");
    check_aligned(from, bytes, "a copy from a place that is not aligned");
    if (there && !emulated_is_device(from, bytes))
        emulated_die("a copy from behind the end of a piece of memory");
    memset(to, 0xff, bytes); /* NaN */
    copies[emulated_thread()].begun.push_back({to, from, bytes, there});
    under_way++;
}

void emulated_copies_commit(void)
{
    Copies &mine = copies[emulated_thread()];
    mine.groups.push_back(std::move(mine.begun));
    mine.begun.clear();
}

void emulated_copies_wait(unsigned groups)
{
    Copies &mine = copies[emulated_thread()];
    while (mine.groups.size() > groups) {
        finish(mine.groups.front());
        mine.groups.erase(mine.groups.begin());
    }
}

bool emulated_copies_left(void)
{
    return under_way > 0;
}

} // extern "C"
