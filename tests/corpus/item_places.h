/* Items come in the order of their places, no two at one: what names documents apart. */
#ifndef QUERN_TESTS_ITEM_PLACES_H
#define QUERN_TESTS_ITEM_PLACES_H

#include "corpus/read/reader.h"

/* The first place behind the last item; zeroed before the first. */
struct item_place {
    uint64_t index, inside;
};

/* Whether the item stands behind the last one; what failed may share its place with another. */
static inline bool item_follows(struct item_place *next, const struct corpus_item *item)
{
    if (item->failed)
        return true;
    bool follows = item->index > next->index || (item->index == next->index && item->inside >= next->inside);
    *next = (struct item_place){item->index, item->inside + 1};
    return follows;
}

#endif
