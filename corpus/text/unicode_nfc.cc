#include "corpus/text/unicode_nfc.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
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

} // namespace

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
