/* Sorting the parts: slots in place, by quicksort on words, with heapsort where the pivots prove bad. */
#include "base/check.h"
#include "tokenizer/count/counter_private.h"

enum { SMALL = 24 };

static inline bool before(const struct piece_slot *a, const struct piece_slot *b)
{
    const uint64_t left = __builtin_bswap64(a->word[0]), right = __builtin_bswap64(b->word[0]);
    return left != right ? left < right : piece_compare(a, b) < 0;
}

static inline void swap(struct piece_slot *a, struct piece_slot *b)
{
    struct piece_slot c = *a;
    *a = *b;
    *b = c;
}

static void insertion_sort(struct piece_slot *slots, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct piece_slot slot = slots[i];
        size_t at = i;
        for (; at > 0 && before(&slot, &slots[at - 1]); at--)
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
}

static void sift_down(struct piece_slot *slots, size_t at, size_t count)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(&slots[child], &slots[child + 1]))
            child++;
        if (!before(&slots[at], &slots[child]))
            return;
        swap(&slots[at], &slots[child]);
    }
}

static void heap_sort(struct piece_slot *slots, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(slots, i, count);
    for (size_t end = count; end-- > 1;) {
        swap(&slots[0], &slots[end]);
        sift_down(slots, 0, end);
    }
}

/* The median of three to the front, as the pivot. */
static void choose_pivot(struct piece_slot *slots, size_t count)
{
    struct piece_slot *a = &slots[1], *b = &slots[count / 2], *c = &slots[count - 1];
    if (before(b, a))
        swap(a, b);
    if (before(c, b)) {
        swap(b, c);
        if (before(b, a))
            swap(a, b);
    }
    swap(&slots[0], b);
}

/* Hoare's partition; no two slots are equal. The pivot's place. */
static size_t partition(struct piece_slot *slots, size_t count)
{
    choose_pivot(slots, count);
    const struct piece_slot pivot = slots[0];
    size_t low = 0, high = count;
    for (;;) {
        do
            low++;
        while (low < high && before(&slots[low], &pivot));
        do
            high--;
        while (before(&pivot, &slots[high]));
        if (low >= high)
            break;
        swap(&slots[low], &slots[high]);
    }
    swap(&slots[0], &slots[high]);
    return high;
}

static void sort_slots(struct piece_slot *slots, size_t count, unsigned depth)
{
    while (count > SMALL) {
        if (depth-- == 0) {
            heap_sort(slots, count);
            return;
        }
        const size_t middle = partition(slots, count), behind = count - middle - 1;
        if (middle < behind) { /* the smaller side by recursion: the stack stays small */
            sort_slots(slots, middle, depth);
            slots += middle + 1;
            count = behind;
        } else {
            sort_slots(slots + middle + 1, behind, depth);
            count = middle;
        }
    }
    insertion_sort(slots, count);
}

static void sort_part(void *context, unsigned worker, size_t number)
{
    struct counter *counter = context;
    struct counter_part *part = &counter->parts[number];
    size_t count = 0;
    (void)worker;
    for (size_t i = 0; i < part->capacity && count < part->used; i++)
        if (part->slots[i].count)
            part->slots[count++] = part->slots[i];
    q_check(count == part->used);
    unsigned depth = 2;
    for (size_t size = count; size; size /= 2)
        depth += 2;
    sort_slots(part->slots, count, depth);
}

void counter_sort(struct counter *counter)
{
    q_pool_for(counter->options.pool, COUNTER_PARTS, sort_part, counter);
    counter->sorted = true;
}
