#include "corpus/text/dictionary.h"

#include "base/memory.h"

#include <unicode/ubrk.h>

struct corpus_dictionary {
    UBreakIterator *iterator;
    UText text;
};

static q_status failed(UErrorCode error)
{
    return q_fail(error == U_MEMORY_ALLOCATION_ERROR ? Q_ERR_MEMORY : Q_ERR_SYSTEM, "ICU's word breaks: %s",
                  u_errorName(error));
}

q_status corpus_dictionary_create(struct corpus_dictionary **out)
{
    struct corpus_dictionary *d;
    UErrorCode error = U_ZERO_ERROR;
    Q_TRY(q_alloc_zero(1, sizeof *d, &d));
    d->text = (UText)UTEXT_INITIALIZER;
    d->iterator = ubrk_open(UBRK_WORD, "", NULL, 0, &error);
    if (U_FAILURE(error)) {
        corpus_dictionary_release(d);
        return failed(error);
    }
    *out = d;
    return Q_OK;
}

void corpus_dictionary_release(struct corpus_dictionary *d)
{
    if (!d)
        return;
    ubrk_close(d->iterator);
    utext_close(&d->text);
    q_release(d);
}

q_status corpus_dictionary_begin(struct corpus_dictionary *d, q_string run)
{
    UErrorCode error = U_ZERO_ERROR;
    utext_openUTF8(&d->text, run.data, (int64_t)run.size, &error);
    ubrk_setUText(d->iterator, &d->text, &error);
    if (U_FAILURE(error))
        return failed(error);
    ubrk_first(d->iterator);
    return Q_OK;
}

size_t corpus_dictionary_next(struct corpus_dictionary *d)
{
    int32_t end = ubrk_next(d->iterator);
    return end == UBRK_DONE ? SIZE_MAX : (size_t)end;
}
