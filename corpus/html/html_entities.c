#include "corpus/html/html_entities.h"

#include "base/check.h"

struct entity {
    const char *name;
    uint32_t code;
};

/* Sorted by name as bytes. Names and code points: HTML 4.01, section 24, and the HTML Standard, 13.5. */
// clang-format off
static const struct entity entities[] = {
    {"AElig", 198}, {"AMP", 38}, {"Aacute", 193}, {"Abreve", 258}, {"Acirc", 194}, {"Agrave", 192}, {"Alpha", 913},
    {"Amacr", 256}, {"Aogon", 260}, {"Aring", 197}, {"Atilde", 195}, {"Auml", 196}, {"Beta", 914}, {"COPY", 169},
    {"Cacute", 262}, {"Ccaron", 268}, {"Ccedil", 199}, {"Chi", 935}, {"Dagger", 8225}, {"Dcaron", 270},
    {"Delta", 916}, {"Dstrok", 272}, {"ETH", 208}, {"Eacute", 201}, {"Ecaron", 282}, {"Ecirc", 202}, {"Egrave", 200},
    {"Emacr", 274}, {"Eogon", 280}, {"Epsilon", 917}, {"Eta", 919}, {"Euml", 203}, {"GT", 62}, {"Gamma", 915},
    {"Gbreve", 286}, {"Hat", 94}, {"Iacute", 205}, {"Icirc", 206}, {"Idot", 304}, {"Igrave", 204}, {"Imacr", 298},
    {"Iota", 921}, {"Iuml", 207}, {"Kappa", 922}, {"Kcedil", 310}, {"LT", 60}, {"Lambda", 923}, {"Lcedil", 315},
    {"Lstrok", 321}, {"Mu", 924}, {"Nacute", 323}, {"Ncaron", 327}, {"NewLine", 10}, {"NonBreakingSpace", 160},
    {"Ntilde", 209}, {"Nu", 925}, {"OElig", 338}, {"Oacute", 211}, {"Ocirc", 212}, {"Odblac", 336}, {"Ograve", 210},
    {"Omega", 937}, {"Omicron", 927}, {"Oslash", 216}, {"Otilde", 213}, {"Ouml", 214}, {"Phi", 934}, {"Pi", 928},
    {"Prime", 8243}, {"Psi", 936}, {"QUOT", 34}, {"REG", 174}, {"Racute", 340}, {"Rcaron", 344}, {"Rho", 929},
    {"Sacute", 346}, {"Scaron", 352}, {"Scedil", 350}, {"Sigma", 931}, {"THORN", 222}, {"Tab", 9}, {"Tau", 932},
    {"Tcaron", 356}, {"Theta", 920}, {"Uacute", 218}, {"Ucirc", 219}, {"Udblac", 368}, {"Ugrave", 217},
    {"UnderBar", 95}, {"Upsilon", 933}, {"Uring", 366}, {"Uuml", 220}, {"VerticalLine", 124}, {"Xi", 926},
    {"Yacute", 221}, {"Yuml", 376}, {"Zacute", 377}, {"Zcaron", 381}, {"Zdot", 379}, {"ZeroWidthSpace", 8203},
    {"Zeta", 918}, {"aacute", 225}, {"abreve", 259}, {"acirc", 226}, {"acute", 180}, {"aelig", 230}, {"agrave", 224},
    {"alefsym", 8501}, {"alpha", 945}, {"amacr", 257}, {"amp", 38}, {"and", 8743}, {"ang", 8736}, {"aogon", 261},
    {"apos", 39}, {"aring", 229}, {"ast", 42}, {"asymp", 8776}, {"atilde", 227}, {"auml", 228}, {"bdquo", 8222},
    {"beta", 946}, {"brvbar", 166}, {"bsol", 92}, {"bull", 8226}, {"cacute", 263}, {"cap", 8745}, {"ccaron", 269},
    {"ccedil", 231}, {"cedil", 184}, {"cent", 162}, {"check", 10003}, {"chi", 967}, {"circ", 710}, {"clubs", 9827},
    {"colon", 58}, {"comma", 44}, {"commat", 64}, {"cong", 8773}, {"copy", 169}, {"crarr", 8629}, {"cross", 10007},
    {"cup", 8746}, {"curren", 164}, {"dArr", 8659}, {"dagger", 8224}, {"darr", 8595}, {"dash", 8208}, {"dcaron", 271},
    {"deg", 176}, {"delta", 948}, {"diams", 9830}, {"divide", 247}, {"dollar", 36}, {"dstrok", 273}, {"eacute", 233},
    {"ecaron", 283}, {"ecirc", 234}, {"egrave", 232}, {"emacr", 275}, {"empty", 8709}, {"emsp", 8195},
    {"emsp13", 8196}, {"ensp", 8194}, {"eogon", 281}, {"epsilon", 949}, {"equals", 61}, {"equiv", 8801}, {"eta", 951},
    {"eth", 240}, {"euml", 235}, {"euro", 8364}, {"excl", 33}, {"exist", 8707}, {"female", 9792}, {"flat", 9837},
    {"fnof", 402}, {"forall", 8704}, {"frac12", 189}, {"frac14", 188}, {"frac34", 190}, {"frasl", 8260},
    {"gamma", 947}, {"gbreve", 287}, {"ge", 8805}, {"grave", 96}, {"gt", 62}, {"hArr", 8660}, {"hairsp", 8202},
    {"harr", 8596}, {"hearts", 9829}, {"hellip", 8230}, {"horbar", 8213}, {"hyphen", 8208}, {"iacute", 237},
    {"icirc", 238}, {"iexcl", 161}, {"igrave", 236}, {"imacr", 299}, {"image", 8465}, {"imath", 305}, {"infin", 8734},
    {"inodot", 305}, {"int", 8747}, {"iota", 953}, {"iquest", 191}, {"isin", 8712}, {"iuml", 239}, {"kappa", 954},
    {"kcedil", 311}, {"lArr", 8656}, {"lambda", 955}, {"lang", 9001}, {"laquo", 171}, {"larr", 8592}, {"lbrace", 123},
    {"lbrack", 91}, {"lcedil", 316}, {"lceil", 8968}, {"lcub", 123}, {"ldquo", 8220}, {"ldquor", 8222}, {"le", 8804},
    {"lfloor", 8970}, {"lowast", 8727}, {"lowbar", 95}, {"loz", 9674}, {"lpar", 40}, {"lrm", 8206}, {"lsaquo", 8249},
    {"lsqb", 91}, {"lsquo", 8216}, {"lstrok", 322}, {"lt", 60}, {"macr", 175}, {"male", 9794}, {"mdash", 8212},
    {"micro", 181}, {"middot", 183}, {"minus", 8722}, {"mldr", 8230}, {"mu", 956}, {"nabla", 8711}, {"nacute", 324},
    {"natural", 9838}, {"nbsp", 160}, {"ncaron", 328}, {"ndash", 8211}, {"ne", 8800}, {"ni", 8715}, {"nldr", 8229},
    {"not", 172}, {"notin", 8713}, {"nsub", 8836}, {"ntilde", 241}, {"nu", 957}, {"num", 35}, {"numsp", 8199},
    {"oacute", 243}, {"ocirc", 244}, {"odblac", 337}, {"oelig", 339}, {"ograve", 242}, {"oline", 8254},
    {"omega", 969}, {"omicron", 959}, {"oplus", 8853}, {"or", 8744}, {"ordf", 170}, {"ordm", 186}, {"oslash", 248},
    {"otilde", 245}, {"otimes", 8855}, {"ouml", 246}, {"para", 182}, {"part", 8706}, {"percnt", 37}, {"period", 46},
    {"permil", 8240}, {"perp", 8869}, {"phi", 966}, {"phone", 9742}, {"pi", 960}, {"piv", 982}, {"plus", 43},
    {"plusmn", 177}, {"pound", 163}, {"prime", 8242}, {"prod", 8719}, {"prop", 8733}, {"psi", 968}, {"puncsp", 8200},
    {"quest", 63}, {"quot", 34}, {"rArr", 8658}, {"racute", 341}, {"radic", 8730}, {"rang", 9002}, {"raquo", 187},
    {"rarr", 8594}, {"rbrace", 125}, {"rbrack", 93}, {"rcaron", 345}, {"rceil", 8969}, {"rcub", 125}, {"rdquo", 8221},
    {"real", 8476}, {"reg", 174}, {"rfloor", 8971}, {"rho", 961}, {"rlm", 8207}, {"rpar", 41}, {"rsaquo", 8250},
    {"rsqb", 93}, {"rsquo", 8217}, {"rsquor", 8217}, {"sacute", 347}, {"sbquo", 8218}, {"scaron", 353},
    {"scedil", 351}, {"sdot", 8901}, {"sect", 167}, {"semi", 59}, {"sharp", 9839}, {"shy", 173}, {"sigma", 963},
    {"sigmaf", 962}, {"sim", 8764}, {"sol", 47}, {"spades", 9824}, {"squ", 9633}, {"star", 9734}, {"starf", 9733},
    {"sub", 8834}, {"sube", 8838}, {"sum", 8721}, {"sung", 9834}, {"sup", 8835}, {"sup1", 185}, {"sup2", 178},
    {"sup3", 179}, {"supe", 8839}, {"szlig", 223}, {"tau", 964}, {"tcaron", 357}, {"there4", 8756}, {"theta", 952},
    {"thetasym", 977}, {"thinsp", 8201}, {"thorn", 254}, {"tilde", 732}, {"times", 215}, {"trade", 8482},
    {"uArr", 8657}, {"uacute", 250}, {"uarr", 8593}, {"ucirc", 251}, {"udblac", 369}, {"ugrave", 249}, {"uml", 168},
    {"upsih", 978}, {"upsilon", 965}, {"uring", 367}, {"uuml", 252}, {"verbar", 124}, {"vert", 124}, {"weierp", 8472},
    {"xi", 958}, {"yacute", 253}, {"yen", 165}, {"yuml", 255}, {"zacute", 378}, {"zcaron", 382}, {"zdot", 380},
    {"zeta", 950}, {"zwj", 8205}, {"zwnj", 8204},
};
// clang-format on

enum { ENTITY_NAME_MAX = 16 };

/* What browsers read for &#128; to &#159;: the characters of Windows-1252 (HTML Standard, 13.2.5.80). */
static const uint16_t windows_1252[32] = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                          0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                          0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                          0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint32_t sane_code(uint32_t code)
{
    if (code >= 128 && code < 160)
        return windows_1252[code - 128];
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return 0xFFFD;
    return code;
}

static size_t numeric_entity(q_string bytes, uint32_t *out_code)
{
    size_t at = 2, digits = 0;
    bool hex = at < bytes.size && (bytes.data[at] == 'x' || bytes.data[at] == 'X');
    uint32_t code = 0;
    for (at += hex; at < bytes.size; at++, digits++) {
        char c = bytes.data[at], low = (char)(c | 0x20);
        unsigned digit = is_digit(c)                       ? (unsigned)(c - '0')
                         : hex && low >= 'a' && low <= 'f' ? (unsigned)(low - 'a') + 10
                                                           : 99;
        if (digit == 99)
            break;
        code = code > 0x10FFFF ? code : code * (hex ? 16 : 10) + digit; /* stays above the last code point once there */
    }
    if (!digits)
        return 0;
    *out_code = sane_code(code);
    return at + (at < bytes.size && bytes.data[at] == ';');
}

static const struct entity *find_entity(q_string name)
{
    size_t low = 0, high = Q_COUNT_OF(entities);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = q_string_compare(name, q_string_of(entities[middle].name));
        if (order == 0)
            return &entities[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t html_entity(q_string bytes, uint32_t *out_code)
{
    if (bytes.size < 3 || bytes.data[0] != '&')
        return 0;
    if (bytes.data[1] == '#')
        return numeric_entity(bytes, out_code);
    size_t length = 0;
    while (1 + length < bytes.size && length <= ENTITY_NAME_MAX && is_alphanumeric(bytes.data[1 + length]))
        length++;
    const struct entity *found = length ? find_entity((q_string){bytes.data + 1, length}) : NULL;
    if (!found)
        return 0;
    bool closed = 1 + length < bytes.size && bytes.data[1 + length] == ';';
    if (!closed && (found->code > 255 || (1 + length < bytes.size && bytes.data[1 + length] == '=')))
        return 0;
    *out_code = found->code;
    return 1 + length + closed;
}

size_t html_utf8(uint32_t code, char out[4])
{
    if (code < 0x80)
        return out[0] = (char)code, 1;
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

q_status html_decode(q_string text, struct q_buffer *out)
{
    while (text.size) {
        const char *reference = memchr(text.data, '&', text.size);
        size_t plain = reference ? (size_t)(reference - text.data) : text.size, used = 0;
        uint32_t code;
        Q_TRY(q_buffer_append(out, text.data, plain));
        text = q_string_slice(text, plain, text.size);
        if (!text.size)
            break;
        char utf8[4] = {'&'};
        size_t count = 1;
        if ((used = html_entity(text, &code)))
            count = html_utf8(code, utf8);
        Q_TRY(q_buffer_append(out, utf8, count));
        text = q_string_slice(text, used ? used : 1, text.size);
    }
    return Q_OK;
}
