#include "corpus/lang/lang.h"

#include <cstdio>
#include <cstring>
#include <string>

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

namespace
{

/* CLD2's codes where BCP-47 has another. */
const char *const renamed[][2] = {{"zh", "zh-Hans"}, {"zh-Hant", "zh-Hant"}, {"iw", "he"},
                                  {"no", "nb"},      {"jw", "jv"},           {"in", "id"},
                                  {"ji", "yi"},      {"mo", "ro"},           {"sh", "sr-Latn"}};

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

/* Start of the character that `at` stands in. */
size_t character_at(const char *text, size_t at)
{
    while (at && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
        at--;
    return at;
}

std::string take_windows(const char *text, size_t size)
{
    std::string windows;
    const size_t begins[] = {0, character_at(text, (size - CORPUS_LANG_WINDOW_BYTES) / 2),
                             character_at(text, size - CORPUS_LANG_WINDOW_BYTES)};
    for (size_t begin : begins) {
        size_t end =
            begin + CORPUS_LANG_WINDOW_BYTES >= size ? size : character_at(text, begin + CORPUS_LANG_WINDOW_BYTES);
        windows.append(text + begin, end - begin).push_back('\n');
    }
    return windows;
}

} // namespace

extern "C" void corpus_lang_identify(const char *text, size_t size, struct corpus_langs *out)
{
    CLD2::Language languages[3];
    int percents[3], text_bytes = 0;
    double scores[3];
    bool reliable = false;
    CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
    std::string windows;
    if (size > 3 * CORPUS_LANG_WINDOW_BYTES) {
        windows = take_windows(text, size);
        text = windows.data();
        size = windows.size();
    }
    CLD2::ExtDetectLanguageSummary(text, static_cast<int>(size), true, &hints, 0, languages, percents, scores, nullptr,
                                   &text_bytes, &reliable);
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
