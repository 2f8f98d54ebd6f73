#include "corpus/read/sniff.h"

#include "base/check.h"

#include <strings.h>

const char *corpus_format_name(enum corpus_format format)
{
    static const char *const names[] = {"unknown", "empty",   "archive", "records", "jsonl",  "html",      "csv",
                                        "tsv",     "parquet", "text",    "man",     "script", "not-prose", "binary"};
    return names[format];
}

static bool ends_with_any(q_string name, const char *const *endings)
{
    for (; *endings; endings++) {
        size_t size = strlen(*endings);
        if (name.size > size && strncasecmp(name.data + name.size - size, *endings, size) == 0)
            return true;
    }
    return false;
}

static const char *const compressions[] = {".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", NULL};
static const char *const archives[] = {".tar", ".tgz",  ".txz", ".tbz",  ".tzst", ".zip",  ".7z",
                                       ".iso", ".cpio", ".deb", ".udeb", ".ar",   ".epub", NULL};
static const char *const records[] = {".warc", ".wet", ".wat", ".arc", NULL};
static const char *const jsonl[] = {".jsonl", ".ndjson", NULL};
static const char *const csv[] = {".csv", NULL};
static const char *const tsv[] = {".tsv", NULL};
static const char *const parquet[] = {".parquet", NULL};
static const char *const html[] = {".html", ".htm", ".xhtml", ".shtml", NULL};
static const char *const text[] = {".txt", ".md", ".rst", ".text", NULL};
static const char *const scripts[] = {".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", NULL};
static const char *const not_prose[] = {".css",  ".map",      ".svg",     ".xml",     ".xsl", ".xslt", ".dtd",  ".xsd",
                                        ".ent",  ".rdf",      ".rss",     ".atom",    ".po",  ".pot",  ".yaml", ".yml",
                                        ".toml", ".ini",      ".conf",    ".desktop", ".xcu", ".xpm",  ".json", ".tree",
                                        ".idx",  ".devhelp2", ".md5sums", ".sha256",  NULL};
static const char *const binary[] = {
    ".png",  ".jpg", ".jpeg", ".gif", ".ico", ".webp", ".bmp", ".tif", ".tiff", ".avif",  ".woff", ".woff2",
    ".ttf",  ".otf", ".eot",  ".pdf", ".ps",  ".eps",  ".dvi", ".mp3", ".mp4",  ".ogg",   ".oga",  ".ogv",
    ".webm", ".wav", ".flac", ".avi", ".mov", ".so",   ".a",   ".o",   ".pyc",  ".class", ".jar",  ".exe",
    ".dll",  ".bin", ".db",   ".mo",  ".gmo", ".qm",   ".odt", ".ods", ".odp",  ".odg",   ".docx", ".xlsx",
    ".pptx", ".doc", ".xls",  ".ppt", ".swf", ".psd",  ".xcf", ".pak", ".npy",  ".npz",   NULL};

static const char *const code[] = {
    ".c",    ".h",      ".cc",    ".cpp",  ".cxx",   ".hpp", ".hh",  ".cu",  ".cs",  ".java", ".kt",   ".scala",
    ".go",   ".rs",     ".swift", ".py",   ".pyi",   ".rb",  ".pl",  ".pm",  ".php", ".lua",  ".r",    ".jl",
    ".m",    ".mm",     ".sh",    ".bash", ".zsh",   ".ps1", ".sql", ".hs",  ".ml",  ".mli",  ".erl",  ".ex",
    ".exs",  ".clj",    ".lisp",  ".el",   ".scm",   ".vim", ".f",   ".f90", ".f95", ".for",  ".asm",  ".s",
    ".zig",  ".nim",    ".d",     ".pas",  ".ada",   ".adb", ".ads", ".v",   ".sv",  ".vhd",  ".vhdl", ".tcl",
    ".dart", ".groovy", ".cmake", ".mk",   ".proto", ".y",   ".l",   NULL};

static q_string base_of(q_string name)
{
    for (size_t i = name.size; i > 0; i--)
        if (name.data[i - 1] == '/')
            return q_string_slice(name, i, name.size);
    return name;
}

/* "ls.1", "printf.3posix", "foo.8": a number, perhaps letters behind it, and a folder man1..man9 around it. */
static bool is_manual_name(q_string name)
{
    size_t folder = q_string_find(name, Q_STRING("/man"), 0);
    q_string base = base_of(name);
    size_t dot = SIZE_MAX;
    for (size_t i = 0; i < base.size; i++)
        if (base.data[i] == '.')
            dot = i;
    bool number = dot != SIZE_MAX && dot + 1 < base.size && base.data[dot + 1] >= '1' && base.data[dot + 1] <= '9';
    return number && folder != SIZE_MAX && folder + 4 < name.size;
}

/* The name without the ending of a compression. */
static q_string without_compression(q_string name)
{
    for (size_t i = 0; compressions[i]; i++)
        if (ends_with_any(name, (const char *const[]){compressions[i], NULL}))
            return q_string_slice(name, 0, name.size - strlen(compressions[i]));
    return name;
}

bool corpus_is_table(enum corpus_format format)
{
    return format == CORPUS_CSV || format == CORPUS_TSV || format == CORPUS_PARQUET;
}

bool corpus_is_code_name(q_string name)
{
    q_string plain = without_compression(name);
    return ends_with_any(plain, code) || ends_with_any(plain, scripts);
}

enum corpus_format corpus_format_by_name(q_string name)
{
    q_string plain = without_compression(name);
    bool compressed = plain.size < name.size;
    if (ends_with_any(plain, binary))
        return CORPUS_BINARY;
    if (ends_with_any(plain, records))
        return CORPUS_RECORDS;
    if (compressed || ends_with_any(plain, archives))
        return CORPUS_ARCHIVE;
    if (ends_with_any(plain, csv))
        return CORPUS_CSV;
    if (ends_with_any(plain, tsv))
        return CORPUS_TSV;
    if (ends_with_any(plain, parquet))
        return CORPUS_PARQUET;
    if (ends_with_any(plain, html))
        return CORPUS_HTML;
    if (ends_with_any(plain, jsonl))
        return CORPUS_JSONL;
    if (ends_with_any(plain, text))
        return CORPUS_TEXT;
    if (ends_with_any(plain, scripts))
        return CORPUS_SCRIPT;
    if (ends_with_any(plain, not_prose))
        return CORPUS_NOT_PROSE;
    return is_manual_name(plain) ? CORPUS_MAN : CORPUS_UNKNOWN;
}

static bool has_at(q_string head, size_t offset, const char *magic, size_t size)
{
    return head.size >= offset + size && memcmp(head.data + offset, magic, size) == 0;
}

bool corpus_needs_seek(q_string head)
{
    return has_at(head, 0, "PK\3\4", 4) || has_at(head, 0, "PK\5\6", 4) || has_at(head, 0, "7z\xBC\xAF\x27\x1C", 6) ||
           has_at(head, 32769, "CD001", 5);
}

bool corpus_is_archive(q_string head)
{
    static const struct {
        size_t offset, size;
        const char *magic;
    } known[] = {{0, 2, "\x1F\x8B"},
                 {0, 6,
                  "\xFD"
                  "7zXZ\0"},
                 {0, 4, "\x28\xB5\x2F\xFD"},
                 {0, 3, "BZh"},
                 {0, 4, "\x04\x22\x4D\x18"},
                 {0, 8, "!<arch>\n"},
                 {257, 5, "ustar"},
                 {0, 5, "07070"},
                 {0, 2, "\xC7\x71"},
                 {0, 3, "\x5D\0\0"}};
    for (size_t i = 0; i < Q_COUNT_OF(known); i++)
        if (has_at(head, known[i].offset, known[i].magic, known[i].size))
            return true;
    /* a zstd file may begin with a skippable frame, as quern's own do */
    bool skippable =
        head.size >= 4 && ((unsigned char)head.data[0] & 0xF0) == 0x50 && memcmp(head.data + 1, "\x2A\x4D\x18", 3) == 0;
    return skippable || corpus_needs_seek(head);
}

/* NUL, or more than a few other control characters, where no mark says UTF-16 or UTF-32. */
static bool is_binary(q_string head)
{
    if (has_at(head, 0, "\xFF\xFE", 2) || has_at(head, 0, "\xFE\xFF", 2) || has_at(head, 0, "\0\0\xFE\xFF", 4))
        return false;
    size_t controls = 0;
    for (size_t i = 0; i < head.size; i++) {
        unsigned char c = (unsigned char)head.data[i];
        if (c == 0)
            return true;
        controls += c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1B && c != '\b';
    }
    return controls * 50 > head.size;
}

static q_string skip_blank(q_string head)
{
    if (has_at(head, 0, "\xEF\xBB\xBF", 3))
        head = q_string_slice(head, 3, head.size);
    while (head.size && (head.data[0] == ' ' || head.data[0] == '\n' || head.data[0] == '\r' || head.data[0] == '\t'))
        head = q_string_slice(head, 1, head.size);
    return head;
}

static bool looks_html(q_string head)
{
    head = skip_blank(head);
    if (q_string_starts_any_case(head, "<!doctype html") || q_string_starts_any_case(head, "<html") ||
        q_string_starts_any_case(head, "<head"))
        return true;
    bool markup = q_string_starts_any_case(head, "<?xml") || q_string_starts_any_case(head, "<!--") ||
                  q_string_starts_any_case(head, "<!doctype");
    q_string near = q_string_slice(head, 0, 2048);
    return markup && (q_string_find(near, Q_STRING("<html"), 0) != SIZE_MAX ||
                      q_string_find(near, Q_STRING("<HTML"), 0) != SIZE_MAX);
}

/* '{' and the quote of a first key: what else is in braces (comments of Pascal) is no JSON. */
static bool begins_object(q_string line)
{
    if (!line.size || line.data[0] != '{')
        return false;
    line = q_string_trim(q_string_slice(line, 1, line.size));
    return line.size && line.data[0] == '"';
}

/* One object a line: the first line begins and ends as an object, and the next one, if any, begins as one. */
static bool looks_jsonl(q_string head)
{
    q_string rest = skip_blank(head), line, next;
    if (!q_string_next_line(&rest, &line))
        return false;
    line = q_string_trim(line);
    if (!begins_object(line) || line.data[line.size - 1] != '}')
        return false;
    return !q_string_next_line(&rest, &next) || next.size == 0 || begins_object(next);
}

/* A title among nothing but requests. What Pod and reStructuredText make has up to a hundred lines of definitions before it. */
static bool looks_manual(q_string head)
{
    q_string rest = head, line;
    bool defining = false;
    for (unsigned i = 0; i < 200 && q_string_next_line(&rest, &line); i++) {
        if (q_string_starts(q_string_trim(line), "\\{"))
            continue; /* a conditional's brace on a line of its own */
        if (defining) {
            defining = !q_string_starts(line, "..");
            continue;
        }
        if (q_string_starts(line, ".TH ") || q_string_starts(line, ".Dd ") || q_string_starts(line, ".so man"))
            return true;
        defining = q_string_starts(line, ".de");
        if (!q_string_starts(line, ".") && !q_string_starts(line, "'") && q_string_trim(line).size != 0)
            return false;
    }
    return false;
}

static bool looks_xml(q_string head)
{
    head = skip_blank(head);
    return q_string_starts_any_case(head, "<?xml") || q_string_starts_any_case(head, "<svg");
}

/* Qt's translations are called .ts, as TypeScript is. (A stream of MPEG, called so too, is binary.) */
static bool looks_translation(q_string head)
{
    head = skip_blank(head);
    return q_string_starts_any_case(head, "<!doctype ts") || q_string_starts(head, "<TS>") ||
           q_string_starts(head, "<TS ");
}

enum corpus_format corpus_format_of(q_string name, q_string head)
{
    if (head.size == 0)
        return CORPUS_EMPTY;
    if (corpus_is_archive(head))
        return CORPUS_ARCHIVE;
    enum corpus_format named = corpus_format_by_name(name);
    /* In JSON lines and tables, a byte that does not belong costs its line and not the file. */
    if (named == CORPUS_BINARY || (named != CORPUS_JSONL && !corpus_is_table(named) && is_binary(head)))
        return CORPUS_BINARY;
    if (named == CORPUS_SCRIPT)
        return looks_xml(head) || looks_translation(head) ? CORPUS_NOT_PROSE : named;
    if (named == CORPUS_NOT_PROSE && ends_with_any(name, (const char *const[]){".json", NULL}) && looks_jsonl(head))
        return CORPUS_JSONL; /* JSON lines often bear the name of JSON */
    if (named != CORPUS_UNKNOWN && named != CORPUS_ARCHIVE && named != CORPUS_RECORDS)
        return named == CORPUS_MAN && !looks_manual(head) ? CORPUS_TEXT : named;
    if (looks_html(head))
        return CORPUS_HTML;
    if (looks_jsonl(head))
        return CORPUS_JSONL;
    if (looks_manual(head))
        return CORPUS_MAN;
    return looks_xml(head) ? CORPUS_NOT_PROSE : CORPUS_TEXT;
}
