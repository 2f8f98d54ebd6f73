/* Numbers as bytes: every file format of quern is little-endian, at any alignment, on any machine. */
#ifndef QUERN_BASE_BYTES_H
#define QUERN_BASE_BYTES_H

#include <stdint.h>

static inline uint16_t q_load_u16(const void *bytes)
{
    const unsigned char *b = bytes;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t q_load_u32(const void *bytes)
{
    const unsigned char *b = bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t q_load_u64(const void *bytes)
{
    return q_load_u32(bytes) | (uint64_t)q_load_u32((const unsigned char *)bytes + 4) << 32;
}

static inline void q_store_u16(void *bytes, uint16_t value)
{
    unsigned char *b = bytes;
    b[0] = (unsigned char)value;
    b[1] = (unsigned char)(value >> 8);
}

static inline void q_store_u32(void *bytes, uint32_t value)
{
    unsigned char *b = bytes;
    for (int i = 0; i < 4; i++)
        b[i] = (unsigned char)(value >> (8 * i));
}

static inline void q_store_u64(void *bytes, uint64_t value)
{
    unsigned char *b = bytes;
    for (int i = 0; i < 8; i++)
        b[i] = (unsigned char)(value >> (8 * i));
}

#endif
