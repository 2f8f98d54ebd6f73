#include "corpus/lang/lang.h"

#include <cstdio>
#include <cstring>
#include <string>

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

namespace
{

/* What CLD2 says of a text: three languages by falling share. */
struct verdict {
    CLD2::Language languages[3];
    int percents[3]; /* of the letters' bytes */
    bool reliable;
};

/* A string, for the NUL behind it: where the last letter is of another script than those before, CLD2 looks at the character behind the text, and what lies
 * there by chance would change the language, or end the program. */
verdict ask(const std::string &text)
{
    verdict v;
    double scores[3];
    int text_bytes = 0;
    const CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
    v.reliable = false;
    CLD2::ExtDetectLanguageSummary(text.c_str(), static_cast<int>(text.size()), true, &hints, 0, v.languages,
                                   v.percents, scores, nullptr, &text_bytes, &v.reliable);
    return v;
}

/* --- windows ----------------------------------------------------------------------------------------------------------------------- */

/* Start of the character that `at` stands in. */
size_t character_at(const char *text, size_t at)
{
    while (at && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
        at--;
    return at;
}

/* Start of the next word, where one begins soon: half a word tells nothing, and may tell of another language. */
size_t word_at(const char *text, size_t at, size_t end)
{
    enum { SOON = 40 };
    for (size_t i = at; i < end && i < at + SOON; i++)
        if (text[i] == ' ' || text[i] == '\n')
            return i;
    return character_at(text, at);
}

std::string take_windows(const char *text, size_t size, size_t window)
{
    std::string windows;
    const size_t begins[] = {0, word_at(text, (size - window) / 2, size), word_at(text, size - window, size)};
    for (size_t begin : begins) {
        size_t end = begin + window >= size ? size : character_at(text, begin + window);
        windows.append(text + begin, end - begin).push_back('\n');
    }
    return windows;
}

/* A glance is enough where it finds one language, is sure of it and finds little else: windows rarely say otherwise
 * (bench/results/language.md, "Documents"). */
bool is_certain(const verdict &v)
{
    enum { SHARE_MIN = 60, SECOND_MAX = 20 };
    return v.reliable && v.languages[0] != CLD2::UNKNOWN_LANGUAGE && v.percents[0] >= SHARE_MIN &&
           v.percents[1] < SECOND_MAX;
}

verdict look(const char *text, size_t size)
{
    if (size >= CORPUS_LANG_WINDOW_BYTES) {
        const verdict v = ask(take_windows(text, size, CORPUS_LANG_GLANCE_BYTES));
        if (is_certain(v))
            return v;
    }
    if (size <= 3 * CORPUS_LANG_WINDOW_BYTES)
        return ask(std::string(text, size));
    return ask(take_windows(text, size, CORPUS_LANG_WINDOW_BYTES));
}

/* --- names ------------------------------------------------------------------------------------------------------------------------- */

/* CLD2's codes where BCP-47 has another (and where corpus_lang_tag gives another, so that a language has one name). */
const char *const renamed[][2] = {{"zh", "zh-Hans"}, {"zh-Hant", "zh-Hant"}, {"iw", "he"}, {"no", "nb"},
                                  {"jw", "jv"},      {"in", "id"},           {"ji", "yi"}, {"mo", "ro"},
                                  {"sh", "sr-Latn"}, {"tl", "fil"}};

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

/* A text most of which is in none of CLD2's languages (Tibetan, say) is in none of them, even where a few words of English stand in it. */
bool is_known(const verdict &v)
{
    return v.reliable || v.percents[0] + v.percents[1] + v.percents[2] >= 25;
}

} // namespace

extern "C" void corpus_lang_identify(const char *text, size_t size, struct corpus_langs *out)
{
    const verdict v = look(text, size);
    out->count = 0;
    for (int i = 0; i < 3 && is_known(v); i++) {
        corpus_lang *lang = &out->langs[out->count];
        set_code(lang, v.languages[i]);
        if (std::strcmp(lang->code, "und") == 0 || v.percents[i] <= 0)
            continue;
        lang->score = v.percents[i] / 100.0;
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
