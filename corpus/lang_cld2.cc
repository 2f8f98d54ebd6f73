#include "corpus/lang.h"

#include <cstdio>
#include <cstring>

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

namespace {

/* CLD2's codes where BCP-47 has another. */
const char *const renamed[][2] = {{"zh", "zh-Hans"}, {"zh-Hant", "zh-Hant"}, {"iw", "he"}, {"no", "nb"}, {"jw", "jv"},
                                  {"in", "id"},      {"ji", "yi"},           {"mo", "ro"}, {"sh", "sr-Latn"}};

void set_code(corpus_lang *lang, CLD2::Language language)
{
    const char *code = CLD2::LanguageCode(language);
    if (language == CLD2::UNKNOWN_LANGUAGE || language == CLD2::TG_UNKNOWN_LANGUAGE || std::strncmp(code, "xx", 2) == 0)
        code = "und";
    for (const auto &pair : renamed)
        if (std::strcmp(code, pair[0]) == 0) {
            code = pair[1];
            break;
        }
    std::snprintf(lang->code, sizeof lang->code, "%s", code);
}

} // namespace

extern "C" void corpus_lang_identify(const char *text, size_t size, struct corpus_langs *out)
{
    CLD2::Language languages[3];
    int percents[3], text_bytes = 0;
    double scores[3];
    bool reliable = false;
    CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
    if (size > CORPUS_LANG_BYTES_MAX) {
        size = CORPUS_LANG_BYTES_MAX;
        while (size && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
            size--;
    }
    CLD2::ExtDetectLanguageSummary(text, static_cast<int>(size), true, &hints, 0, languages, percents, scores, nullptr, &text_bytes,
                                   &reliable);
    out->count = 0;
    for (int i = 0; i < 3; i++) {
        corpus_lang *lang = &out->langs[out->count];
        set_code(lang, languages[i]);
        if (std::strcmp(lang->code, "und") == 0 || percents[i] <= 0)
            continue;
        lang->score = percents[i] / 100.0;
        out->count++;
    }
    if (out->count == 0) {
        std::snprintf(out->langs[0].code, sizeof out->langs[0].code, "und");
        out->langs[0].score = 0;
        out->count = 1;
    }
}

extern "C" const char *corpus_lang_version(void)
{
    return CLD2::DetectLanguageVersion();
}
