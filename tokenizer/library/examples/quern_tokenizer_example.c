/* Standard input to ids and back, with libquern_tokenizer:
 *
 *     cc quern_tokenizer_example.c -o example $(pkg-config --cflags --libs quern_tokenizer)
 *     echo 'Hello, world!' | ./example tokenizer.json
 */
#include <quern_tokenizer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, quern_tokenizer_error());
    return 1;
}

/* Ids on one line; then what they decode to, compared. */
static int encode(struct quern_tokenizer_context *context, const char *text, size_t size)
{
    struct quern_tokenizer_ids ids;
    struct quern_tokenizer_text back;
    if (quern_tokenizer_encode(context, text, size, NULL, &ids))
        return failed("encode");
    for (size_t i = 0; i < ids.count; i++)
        printf("%s%u", i ? " " : "", (unsigned)ids.ids[i]);
    printf("\n");
    if (quern_tokenizer_decode(context, ids.ids, ids.count, 0, &back))
        return failed("decode");
    printf("%s\n", back.size == size && memcmp(back.bytes, text, size) == 0 ? "the same text" : "another text");
    return 0;
}

int main(int count, char **arguments)
{
    struct quern_tokenizer *tokenizer = NULL;
    struct quern_tokenizer_context *context = NULL;
    static char text[1 << 20];
    size_t size;
    int code;
    if (count != 2) {
        fprintf(stderr, "usage: example tokenizer.json < text\n");
        return 2;
    }
    size = fread(text, 1, sizeof(text), stdin);
    if (size == sizeof(text)) {
        fprintf(stderr, "this example reads less than %zu bytes\n", sizeof(text));
        return 2;
    }
    if (quern_tokenizer_load(arguments[1], &tokenizer))
        return failed("load");
    if (quern_tokenizer_context_create(tokenizer, 1, &context))
        return failed("context");
    printf("library %s, %u ids\n", quern_tokenizer_version(), (unsigned)quern_tokenizer_size(tokenizer));
    code = encode(context, text, size);
    quern_tokenizer_context_release(context);
    quern_tokenizer_release(tokenizer);
    return code;
}
