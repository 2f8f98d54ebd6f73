/* Philox4x32-10 and what is made from it.
 *
 * The logarithm and the cosine of the normal draws are written out here: libm's differ in the last bit from machine to
 * machine (it picks variants with fused multiply-add at run time), and a draw must not. Only +, -, x, / and sqrt are
 * used, which IEEE 754 fixes; the build forbids contraction (base/cmake/quern.cmake).
 */
#include "base/random.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"

#include <math.h>
#include <string.h>

enum { PURPOSE_BYTES_MAX = 104, PHILOX_ROUNDS = 10 };

q_random_key q_random_key_of(uint64_t seed, const char *purpose, uint64_t a, uint64_t b)
{
    /* Numbers first and of fixed width: no two (seed, purpose, a, b) give the same bytes. */
    unsigned char bytes[24 + PURPOSE_BYTES_MAX];
    const q_string name = q_string_of(purpose);
    q_check(name.size <= PURPOSE_BYTES_MAX);
    q_store_u64(bytes, seed);
    q_store_u64(bytes + 8, a);
    q_store_u64(bytes + 16, b);
    memcpy(bytes + 24, name.data, name.size);
    return (q_random_key){q_hash64(bytes, 24 + name.size, 0)};
}

void q_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    /* Constants: SC 2011 paper, table 2; the key moves by Weyl steps of the golden ratio and sqrt(3) - 1. */
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void q_random_words(q_random_key key, uint64_t index, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0};
    const uint32_t halves[2] = {(uint32_t)key.value, (uint32_t)(key.value >> 32)};
    q_philox4x32(counter, halves, out);
}

/* The two 64-bit words of draw `index`. */
static void draw(q_random_key key, uint64_t index, uint64_t words[2])
{
    uint32_t out[4];
    q_random_words(key, index, out);
    words[0] = out[0] | (uint64_t)out[1] << 32;
    words[1] = out[2] | (uint64_t)out[3] << 32;
}

uint64_t q_random_u64(q_random_key key, uint64_t index)
{
    uint64_t words[2];
    draw(key, index, words);
    return words[0];
}

double q_random_unit(q_random_key key, uint64_t index)
{
    return (double)(q_random_u64(key, index) >> 11) * 0x1p-53;
}

uint64_t q_random_below(q_random_key key, uint64_t index, uint64_t bound)
{
    /* The high word of a 64 x 64 product (Lemire 2019) without its rejection step: one draw always, bias below bound /
     * 2^64. */
    q_check(bound > 0);
    return (uint64_t)((unsigned __int128)q_random_u64(key, index) * bound >> 64);
}

/* ln(x) for normal x > 0, error some 1e-16: x = m * 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh((m - 1) / (m +
 * 1)). */
static double natural_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof(m));
    if (m > 0x1.6a09e667f3bcdp0) { /* sqrt(2) */
        m *= 0.5;
        exponent++;
    }
    const double s = (m - 1.0) / (m + 1.0), s2 = s * s; /* s2 < 0.0295: the term behind the last is below 1e-17 */
    double sum = 0.0;
    for (int odd = 21; odd >= 3; odd -= 2)
        sum = (sum + 1.0 / odd) * s2;
    return exponent * 0x1.62e42fefa39efp-1 + 2.0 * (s + s * sum); /* ln 2 */
}

/* cos(2 pi u) for u in [0, 1]: folded to an eighth of a turn around the next quarter, then Taylor. */
static double cosine_of_turn(double u)
{
    const int quarter = (int)(4.0 * u + 0.5);
    const double angle = (u - 0.25 * quarter) * 0x1.921fb54442d18p2; /* 2 pi; the difference is exact */
    const double a2 = angle * angle;                                 /* <= (pi / 4)^2 */
    double cosine = 1.0, sine = 1.0;
    for (int n = 18; n >= 2; n -= 2) {
        cosine = 1.0 - cosine * a2 / ((n - 1) * n);
        sine = 1.0 - sine * a2 / (n * (n + 1));
    }
    sine *= angle;
    switch (quarter & 3) {
    case 0:
        return cosine;
    case 1:
        return -sine;
    case 2:
        return -cosine;
    default:
        return sine;
    }
}

double q_random_normal(q_random_key key, uint64_t index)
{
    uint64_t words[2];
    draw(key, index, words);
    double u = (double)((words[0] >> 11) + 1) * 0x1p-53; /* (0, 1]: the logarithm is finite */
    double v = (double)(words[1] >> 11) * 0x1p-53;
    return sqrt(-2.0 * natural_log(u)) * cosine_of_turn(v);
}

/* What q_random_normal does with one number, step by step with LANES of them: loops that compilers make vectors of. */
enum { LANES = 8 };

static void natural_logs(const double x[LANES], double out[LANES])
{
    double exponent[LANES], s[LANES], s2[LANES], sum[LANES];
    for (int i = 0; i < LANES; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof(bits));
        exponent[i] = (int)(bits >> 52) - 1023;
        bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
        memcpy(&s[i], &bits, sizeof(bits));
    }
    for (int i = 0; i < LANES; i++) {
        const double half = s[i] > 0x1.6a09e667f3bcdp0 ? 1.0 : 0.0, m = s[i] * (1.0 - 0.5 * half);
        exponent[i] += half;
        s[i] = (m - 1.0) / (m + 1.0);
        s2[i] = s[i] * s[i];
        sum[i] = 0.0;
    }
    for (int odd = 21; odd >= 3; odd -= 2) {
        const double term = 1.0 / odd;
        for (int i = 0; i < LANES; i++)
            sum[i] = (sum[i] + term) * s2[i];
    }
    for (int i = 0; i < LANES; i++)
        out[i] = exponent[i] * 0x1.62e42fefa39efp-1 + 2.0 * (s[i] + s[i] * sum[i]);
}

static void cosines_of_turns(const double u[LANES], double out[LANES])
{
    double factor[LANES], a2[LANES], is_sine[LANES], value[LANES];
    for (int i = 0; i < LANES; i++) {
        const int quarter = (int)(4.0 * u[i] + 0.5);
        const double angle = (u[i] - 0.25 * quarter) * 0x1.921fb54442d18p2;
        a2[i] = angle * angle;
        is_sine[i] = quarter & 1;
        factor[i] = (quarter & 1 ? angle : 1.0) * (1 - ((quarter + 1) & 2));
        value[i] = 1.0;
    }
    for (int n = 18; n >= 2; n -= 2)
        for (int i = 0; i < LANES; i++)
            value[i] = 1.0 - value[i] * a2[i] / ((n - 1) * n + 2 * n * is_sine[i]);
    for (int i = 0; i < LANES; i++)
        out[i] = value[i] * factor[i];
}

static void normals(q_random_key key, uint64_t index, double out[LANES])
{
    double u[LANES], v[LANES];
    for (unsigned i = 0; i < LANES; i++) {
        uint64_t words[2];
        draw(key, index + i, words);
        u[i] = (double)((words[0] >> 11) + 1) * 0x1p-53;
        v[i] = (double)(words[1] >> 11) * 0x1p-53;
    }
    natural_logs(u, u);
    cosines_of_turns(v, v);
    for (int i = 0; i < LANES; i++)
        out[i] = sqrt(-2.0 * u[i]) * v[i];
}

void q_random_normals(q_random_key key, uint64_t index, double *out, size_t count)
{
    double last[LANES];
    size_t done = 0;
    for (; done + LANES <= count; done += LANES)
        normals(key, index + done, out + done);
    if (done == count)
        return;
    normals(key, index + done, last);
    memcpy(out + done, last, (count - done) * sizeof(*out));
}

void q_random_normal_floats(q_random_key key, uint64_t index, double deviation, float *out, size_t count)
{
    double piece[LANES];
    for (size_t i = 0; i < count; i++) {
        if (i % LANES == 0)
            normals(key, index + i, piece);
        out[i] = (float)(piece[i % LANES] * deviation);
    }
}
