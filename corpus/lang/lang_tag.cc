/* Labels of classifiers as BCP-47, by ICU's tables of CLDR (languageAlias, likelySubtags). */
#include "corpus/lang/lang.h"

#include <cstdio>
#include <cstring>
#include <string>

#include <unicode/locid.h>

namespace
{

/* Codes of Wikipedia's that mean another language in BCP-47 (lid.176 has them), and what CLDR leaves open. */
const char *const renamed[][2] = {{"als", "gsw"}, {"no", "nb"}, {"zxx", "und"}, {"mis", "und"}, {"mul", "und"}};

/* Labels of GlotLID whose script is the usual one though CLDR names another, or does not know the language's part of a macrolanguage. */
const char *const usual[][3] = {{"ko", "Hang", "ko"}, {"pbt", "Arab", "ps"}};

/* "eng_Latn" -> "en": the shortest code, and the script only where it is not the usual one. Empty where ICU knows no such language. */
std::string canonical(const std::string &code)
{
    if (code == "und" || code.compare(0, 4, "und_") == 0)
        return "und";
    UErrorCode error = U_ZERO_ERROR;
    icu::Locale locale(code.c_str());
    if (locale.isBogus() || !*locale.getLanguage())
        return "";
    locale.canonicalize(error);
    const std::string language = locale.getLanguage(), script = locale.getScript();
    if (language == "zh") /* GlotLID's cmn_Hani leaves the script open, as plain zh does */
        return script == "Hans" || script == "Hant" ? "zh-" + script : "zh";
    for (const auto &label : usual)
        if (language == label[0] && script == label[1])
            return label[2];
    locale.minimizeSubtags(error);
    if (U_FAILURE(error))
        return "";
    return *locale.getScript() ? language + "-" + locale.getScript() : language;
}

bool is_code(const std::string &code)
{
    size_t letters = 0;
    while (letters < code.size() && code[letters] >= 'a' && code[letters] <= 'z')
        letters++;
    for (size_t i = letters; i < code.size(); i++)
        if (!(code[i] == '_' || code[i] == '-' || (code[i] >= 'a' && code[i] <= 'z') ||
              (code[i] >= 'A' && code[i] <= 'Z')))
            return false;
    return letters >= 2 && letters <= 3 && (letters == code.size() || code[letters] == '_' || code[letters] == '-');
}

} // namespace

extern "C" bool corpus_lang_tag(const char *label, size_t size, char out[CORPUS_LANG_CODE_SIZE])
{
    static const char prefix[] = "__label__";
    std::string code(label, size);
    if (code.compare(0, sizeof prefix - 1, prefix) == 0)
        code.erase(0, sizeof prefix - 1);
    if (!is_code(code))
        return false;
    const bool bare = code.find('_') == std::string::npos; /* GlotLID's als_Latn is Albanian, Wikipedia's als is not */
    for (const auto &pair : renamed)
        if (bare && code == pair[0])
            code = pair[1];
    std::string tag = canonical(code);
    if (tag == "no")
        tag = "nb";
    if (tag.empty() || tag.size() >= CORPUS_LANG_CODE_SIZE)
        return false;
    std::snprintf(out, CORPUS_LANG_CODE_SIZE, "%s", tag.c_str());
    return true;
}
