/* Hashes: known values, pieces and wholes, and their one spelling. */
#include "base/hash.h"
#include "base/memory.h"
#include "tests/base/cmocka_all.h"

#include <string.h>

/* From xxhash's own library, `xxhsum -H2` and `xxhsum -H3`. */
static void test_known_values(void **state)
{
    (void)state;
    char hex[Q_HASH_HEX];
    assert_string_equal(q_hash_hex(q_hash_bytes("", 0), hex), "99aa06d3014798d86001c324468d497f");
    assert_string_equal(q_hash_hex(q_hash_bytes("hello", 5), hex), "b5e9c1ad071b3e7fc779cfaa5e523818");
    assert_true(q_hash64("", 0, 0) == 0x2d06800538d394c2u);
    assert_true(q_hash64("head", 4, 0) == 0x71c86b9468b1f077u);
    assert_true(q_hash64("head", 4, 1) != q_hash64("head", 4, 0));
    assert_true(q_hash_equal(q_hash_string((q_string){NULL, 0}), q_hash_bytes("", 0)));
}

static void test_pieces_give_the_whole(void **state)
{
    (void)state;
    enum { BYTES = 5000 };
    char bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 31 >> 3);
    struct q_hasher *hasher;
    assert_ok(q_hasher_create(&hasher));
    for (size_t piece = 1; piece < 700; piece = piece * 3 + 1) {
        q_hasher_reset(hasher);
        for (size_t at = 0; at < BYTES; at += piece) {
            size_t count = at + piece < BYTES ? piece : BYTES - at;
            assert_true(q_hash_equal(q_hasher_digest(hasher), q_hash_bytes(bytes, at))); /* reading changes nothing */
            q_hasher_add(hasher, bytes + at, count);
        }
        assert_true(q_hash_equal(q_hasher_digest(hasher), q_hash_bytes(bytes, BYTES)));
    }
    q_hasher_release(hasher);
    q_hasher_release(NULL);
    (void)q_memory_fail_at(1, 0);
    assert_int_equal(q_hasher_create(&hasher), Q_ERR_MEMORY);
    (void)q_memory_fail_at(0, 0);
}

static void test_spelling(void **state)
{
    (void)state;
    q_hash hash;
    char hex[Q_HASH_HEX];
    assert_ok(q_hash_parse(Q_STRING("0123456789abcdeffedcba9876543210"), &hash));
    assert_true(hash.high == 0x0123456789abcdefu && hash.low == 0xfedcba9876543210u);
    assert_string_equal(q_hash_hex(hash, hex), "0123456789abcdeffedcba9876543210");
    static const char *const bad[] = {"",
                                      "0123456789abcdeffedcba987654321",
                                      "0123456789abcdeffedcba98765432100",
                                      "0123456789ABCDEFfedcba9876543210",
                                      "0123456789abcdeffedcba987654321g",
                                      "0x23456789abcdeffedcba9876543210"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(q_hash_parse(q_string_of(bad[i]), &hash), Q_ERR_INPUT, "is not a hash");
}

static void test_order(void **state)
{
    (void)state;
    const q_hash ascending[] = {{0, 0}, {0, 1}, {0, UINT64_MAX}, {1, 0}, {UINT64_MAX, 0}};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            assert_int_equal(q_hash_compare(ascending[i], ascending[j]), (i > j) - (i < j));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_pieces_give_the_whole),
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
