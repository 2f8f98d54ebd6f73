#include "corpus/text/unicode_nfc.h"

#include <cstring>

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/utf8.h>
#include <unicode/uversion.h>

#define TEXT_OF(x) #x
#define VERSION_TEXT(x) TEXT_OF(x)

namespace
{

class Sink : public icu::ByteSink
{
  public:
    Sink(bool (*append)(void *, const char *, size_t), void *context) : append_(append), context_(context)
    {
    }
    void Append(const char *bytes, int32_t count) override
    {
        good_ = good_ && append_(context_, bytes, static_cast<size_t>(count));
    }
    bool good() const
    {
        return good_;
    }

  private:
    bool (*append_)(void *, const char *, size_t);
    void *context_;
    bool good_ = true;
};

const icu::Normalizer2 *nfc()
{
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2 *instance = icu::Normalizer2::getNFCInstance(error);
    return U_SUCCESS(error) ? instance : nullptr;
}

/* Whether a normal form can begin with the character at `at`. */
bool begins(const icu::Normalizer2 *instance, const char *text, int32_t at)
{
    UChar32 c;
    U8_NEXT_UNSAFE(text, at, c);
    return c < 0x300 || instance->hasBoundaryBefore(c);
}

/* A row that is too long lies over one of the places looked at: ROW_MAX characters of two bytes and more. */
bool has_long_row(const icu::Normalizer2 *instance, const char *text, int32_t size)
{
    for (int32_t probe = 0; probe < size; probe += CORPUS_NFC_ROW_MAX) {
        int32_t from = probe, to, count = 0;
        U8_SET_CP_START_UNSAFE(text, from);
        if (begins(instance, text, from))
            continue;
        for (to = from; to < size && !begins(instance, text, to); count++)
            U8_FWD_1_UNSAFE(text, to);
        while (from > 0 && count <= CORPUS_NFC_ROW_MAX) {
            U8_BACK_1_UNSAFE(text, from);
            if (begins(instance, text, from))
                break;
            count++;
        }
        if (count > CORPUS_NFC_ROW_MAX)
            return true;
        probe = to; /* a shorter row was gone through whole */
        probe -= probe % CORPUS_NFC_ROW_MAX;
    }
    return false;
}

} // namespace

extern "C" size_t corpus_nfc_shorten_rows(char *text, size_t size, size_t *removed)
{
    const icu::Normalizer2 *instance = nfc();
    const int32_t end = static_cast<int32_t>(size);
    int32_t kept = 0, row = 0;
    *removed = 0;
    if (!instance || !has_long_row(instance, text, end))
        return size;
    for (int32_t at = 0; at < end;) {
        const int32_t from = at;
        row = begins(instance, text, at) ? 0 : row + 1;
        U8_FWD_1_UNSAFE(text, at);
        if (row > CORPUS_NFC_ROW_MAX) {
            ++*removed;
            continue;
        }
        std::memmove(text + kept, text + from, static_cast<size_t>(at - from));
        kept += at - from;
    }
    return static_cast<size_t>(kept);
}

extern "C" bool corpus_nfc_is(const char *text, size_t size)
{
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2 *instance = nfc();
    bool is = instance && instance->isNormalizedUTF8(icu::StringPiece(text, static_cast<int32_t>(size)), error);
    return U_SUCCESS(error) && is;
}

extern "C" bool corpus_nfc_write(const char *text, size_t size, bool (*append)(void *, const char *, size_t),
                                 void *context)
{
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2 *instance = nfc();
    if (!instance)
        return false;
    Sink sink(append, context);
    instance->normalizeUTF8(0, icu::StringPiece(text, static_cast<int32_t>(size)), sink, nullptr, error);
    return U_SUCCESS(error) && sink.good();
}

extern "C" const char *corpus_icu_version(void)
{
    return U_ICU_VERSION "/" U_UNICODE_VERSION;
}
