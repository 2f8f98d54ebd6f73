/* Allocation, buffers and arenas: bounds, growth, and the failing allocation. */
#include "base/check.h"
#include "base/memory.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

static void test_sizes_are_checked(void **state)
{
    (void)state;
    char *memory = (char *)&memory;
    char *const untouched = memory;
    assert_fails(q_alloc(SIZE_MAX / 2, 3, &memory), Q_ERR_MEMORY, "out of memory");
    assert_fails(q_alloc_zero(SIZE_MAX, SIZE_MAX, &memory), Q_ERR_MEMORY, "out of memory");
    assert_fails(q_alloc_aligned(SIZE_MAX, 1, &memory), Q_ERR_MEMORY, "out of memory");
    assert_ptr_equal(memory, untouched);
    assert_ok(q_alloc(0, 8, &memory));
    assert_non_null(memory);
    q_release(memory);
    q_release(NULL);
}

static void test_alignment_and_zero(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        char *memory;
        assert_ok(q_alloc_aligned(size, 1, &memory));
        assert_int_equal((uintptr_t)memory % 64, 0);
        q_release(memory);
        assert_ok(q_alloc_zero(1, size, &memory));
        assert_int_equal((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        q_release(memory);
    }
}

static void test_grow_keeps_and_multiplies(void **state)
{
    (void)state;
    uint32_t *numbers = NULL;
    size_t capacity = 0, growths = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        size_t before = capacity;
        assert_ok(q_grow(&numbers, &capacity, i + 1, sizeof(*numbers)));
        growths += capacity != before;
        numbers[i] = i;
    }
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(numbers[i], i);
    assert_in_range(growths, 2, 40); /* by half each time: log 100000 / log 1.5 = 28 */
    assert_fails(q_grow(&numbers, &capacity, SIZE_MAX, sizeof(*numbers)), Q_ERR_MEMORY, "out of memory");
    assert_int_equal(numbers[99999], 99999); /* unchanged on failure */
    q_release(numbers);
}

static void test_buffer_appends(void **state)
{
    (void)state;
    struct q_buffer buffer = {0};
    assert_ok(q_buffer_append(&buffer, NULL, 0));
    assert_ok(q_buffer_append(&buffer, "ab", 2));
    assert_ok(q_buffer_append_byte(&buffer, 'c'));
    assert_ok(q_buffer_append_string(&buffer, Q_STRING("de")));
    for (int i = 0; i < 100; i++)
        assert_ok(q_buffer_printf(&buffer, "%d,", i));
    assert_ok(q_buffer_printf(&buffer, "%s", ""));
    assert_ok(q_buffer_terminate(&buffer));
    assert_int_equal(strlen(buffer.data), buffer.size);
    assert_int_equal(buffer.size, 5 + 10 * 2 + 90 * 3);
    assert_memory_equal(buffer.data, "abcde0,1,2,", 11);
    assert_string_equal(buffer.data + buffer.size - 6, "98,99,");
    assert_fails(q_buffer_reserve(&buffer, SIZE_MAX), Q_ERR_MEMORY, "out of memory");
    q_buffer_clear(&buffer);
    assert_true(buffer.size == 0 && buffer.capacity > 0);
    q_buffer_release(&buffer);
    q_buffer_release(&buffer);
    assert_null(buffer.data);
}

static void test_arena_never_moves(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct q_arena arena = {0};
    static const char *strings[COUNT];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++)
            assert_ok(q_arena_printf(&arena, &strings[i], "%0*d", i % 100, i));
        char *large;
        assert_ok(q_arena_alloc(&arena, 3, 1 << 20, &large));
        for (size_t i = 0; i < 3 << 20; i += 4096)
            assert_int_equal(large[i], 0);
        for (int i = 0; i < COUNT; i++) {
            char expected[128];
            (void)snprintf(expected, sizeof(expected), "%0*d", i % 100, i);
            assert_string_equal(strings[i], expected);
            assert_int_equal((uintptr_t)strings[i] % 16, 0);
        }
        memset(large, 0xff, 3 << 20); /* kept by clear, and zeroed when it is given out again */
        q_arena_clear(&arena);
    }
    q_string copy;
    assert_ok(q_arena_string(&arena, (q_string){NULL, 0}, &copy));
    assert_true(copy.size == 0 && copy.data[0] == 0);
    char *never;
    assert_fails(q_arena_alloc(&arena, SIZE_MAX, 2, &never), Q_ERR_MEMORY, "out of memory");
    assert_fails(q_arena_alloc(&arena, SIZE_MAX / 2, 1, &never), Q_ERR_MEMORY, "out of memory");
    q_arena_release(&arena);
    q_arena_release(&arena);
    q_arena_clear(&arena);
}

static void test_kth_allocation_fails(void **state)
{
    (void)state;
    char *memory;
    (void)q_memory_fail_at(2, 0);
    assert_ok(q_alloc(1, 1, &memory));
    q_release(memory);
    assert_fails(q_alloc(1, 1, &memory), Q_ERR_MEMORY, "out of memory");
    assert_ok(q_alloc(1, 1, &memory)); /* only the second */
    q_release(memory);
    assert_int_equal(q_memory_fail_at(1, 1), 3);
    for (int i = 0; i < 3; i++)
        assert_fails(q_alloc_zero(1, 1, &memory), Q_ERR_MEMORY, "out of memory");
    assert_int_equal(q_memory_fail_at(0, 0), 3);
    assert_ok(q_alloc(1, 1, &memory));
    q_release(memory);
}

/* A failed append leaves the buffer as it was. */
static void test_failure_leaves_buffer(void **state)
{
    (void)state;
    struct q_buffer buffer = {0};
    assert_ok(q_buffer_append(&buffer, "kept", 4));
    char large[4096];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    (void)q_memory_fail_at(1, 1);
    q_status appended = q_buffer_append(&buffer, large, sizeof(large));
    q_status printed = q_buffer_printf(&buffer, "%s", large);
    (void)q_memory_fail_at(0, 0);
    assert_int_equal(appended, Q_ERR_MEMORY);
    assert_int_equal(printed, Q_ERR_MEMORY);
    assert_true(q_string_is(q_buffer_string(&buffer), "kept"));
    q_buffer_release(&buffer);
}

static void test_peak_counts(void **state)
{
    (void)state;
    char *memory;
    const size_t bytes = 64 << 20;
    uint64_t before = q_memory_peak_bytes();
    assert_ok(q_alloc(bytes, 1, &memory));
    memset(memory, 1, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory");
    assert_true(q_memory_peak_bytes() >= Q_MAX(before, (uint64_t)bytes));
    q_release(memory);
}

/* Pages are zeroed, aligned where they are many, counted while they are there and gone afterwards. */
static void test_pages_come_and_go(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4096, 100000, 1 << 21, (1 << 21) + 1, 48 << 20};
    const size_t large = 48 << 20;
    char *memory;
    for (size_t i = 0; i < Q_COUNT_OF(sizes); i++) {
        assert_ok(q_alloc_pages(sizes[i], &memory));
        assert_int_equal((uintptr_t)memory % (sizes[i] < 1 << 21 ? 4096 : 1 << 21), 0);
        assert_int_equal(memory[0] | memory[sizes[i] - 1], 0);
        memory[sizes[i] - 1] = 1;
        q_release_pages(memory, sizes[i]);
    }
    const uint64_t before = q_memory_resident_bytes();
    assert_ok(q_alloc_pages(large, &memory));
    memset(memory, 1, large);
    assert_true(q_memory_resident_bytes() >= before + large / 2);
    q_release_pages(memory, large);
    assert_true(q_memory_resident_bytes() < before + large / 2);
    assert_true(q_memory_machine_bytes() > large);
    (void)q_memory_fail_at(1, 0);
    assert_int_equal(q_alloc_pages(large, &memory), Q_ERR_MEMORY);
    (void)q_memory_fail_at(0, 0);
    assert_int_equal(q_alloc_pages(PTRDIFF_MAX, &memory), Q_ERR_MEMORY);
    q_release_pages(NULL, 1);
}

/* What fits is given from the pages reserved, then blocks come as ever; all of it goes back. */
static void test_arena_of_pages(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    char *first, *last, *more;
    assert_ok(q_arena_alloc(&arena, 1, 100, &first));
    assert_ok(q_arena_reserve_pages(&arena, Q_HUGE_PAGE));
    assert_ok(q_arena_alloc(&arena, 1, 100, &first));
    assert_true((uintptr_t)first % Q_HUGE_PAGE < 64);
    assert_ok(q_arena_alloc(&arena, 1, 2 * Q_HUGE_PAGE - 1000, &last));
    assert_ptr_equal(last, first + 112);
    assert_ok(q_arena_alloc(&arena, 1, 1000, &more));
    assert_true(more + 1000 <= first || more >= last + 2 * Q_HUGE_PAGE - 1000);
    memset(more, 1, 1000);
    q_arena_clear(&arena);
    assert_ok(q_arena_alloc(&arena, 1, 100, &more));
    assert_ptr_equal(more, first);
    (void)q_memory_fail_at(1, 0);
    assert_int_equal(q_arena_reserve_pages(&arena, 1), Q_ERR_MEMORY);
    (void)q_memory_fail_at(0, 0);
    assert_int_equal(q_arena_reserve_pages(&arena, SIZE_MAX - 100), Q_ERR_MEMORY);
    q_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_checked),         cmocka_unit_test(test_alignment_and_zero),
        cmocka_unit_test(test_grow_keeps_and_multiplies), cmocka_unit_test(test_buffer_appends),
        cmocka_unit_test(test_arena_never_moves),         cmocka_unit_test(test_kth_allocation_fails),
        cmocka_unit_test(test_failure_leaves_buffer),     cmocka_unit_test(test_peak_counts),
        cmocka_unit_test(test_pages_come_and_go),         cmocka_unit_test(test_arena_of_pages),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
