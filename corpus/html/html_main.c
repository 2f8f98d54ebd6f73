#include "corpus/html/html_main.h"

#include "base/check.h"
#include "corpus/html/html_clean.h"
#include "corpus/html/html_hints.h"
#include "corpus/html/html_letters.h"

enum {
    PARAGRAPH_LETTERS_MIN = 25, /* shorter runs do not score */
    BOX_LETTERS_MIN = 160,      /* a manual's box of text below this may be its navigation */
    BODY_LETTERS_MIN = 250,     /* a marked body below this is not believed, */
    BODY_SHARE_MIN = 20,        /* nor one with fewer hundredths of the page's text; */
    STATED_BODY_SHARE_MIN = 5,  /* of one marked by itemprop */
    SECTION_LETTERS_MIN = 200,  /* a section beside the best node is taken from here on */
    MAIN_LETTERS_MIN = 200,     /* a result below this falls back to the whole page */
};

/* Not text by its tag, role or name. */
static bool looks_bad(const struct html_node *node)
{
    switch (node->tag) {
    case HTML_TAG_nav:
    case HTML_TAG_aside:
    case HTML_TAG_footer:
    case HTML_TAG_menu:
    case HTML_TAG_dialog:
    case HTML_TAG_legend:
    case HTML_TAG_option:
        return true;
    default:
        return node->flags & (HTML_NODE_HIDDEN | HTML_NODE_ROLE) || node->hints & HTML_HINT_BAD;
    }
}

static bool is_foot(const struct html_node *node)
{
    return node->tag == HTML_TAG_footer || node->hints & HTML_HINT_FOOT;
}

static q_status grow(struct html_main *main, size_t count)
{
    Q_TRY(q_grow(&main->state, &main->capacity[0], count, sizeof *main->state));
    Q_TRY(q_grow(&main->score, &main->capacity[1], count, sizeof *main->score));
    Q_TRY(q_grow(&main->letters, &main->capacity[2], count + 1, sizeof *main->letters));
    Q_TRY(q_grow(&main->linked, &main->capacity[3], count + 1, sizeof *main->linked));
    Q_TRY(q_grow(&main->run_letters, &main->capacity[4], count, sizeof *main->run_letters));
    return q_grow(&main->run_commas, &main->capacity[5], count, sizeof *main->run_commas);
}

static void count_runs(const struct html_tree *tree, struct html_main *main)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (!html_is_run(&tree->nodes[i]))
            continue;
        struct html_letters count = html_letters(html_node_text(tree, &tree->nodes[i]));
        main->run_letters[i] = count.letters;
        main->run_commas[i] = count.commas;
    }
}

/* Cumulated characters and link characters of the runs that are not pruned. */
static void cumulate(const struct html_tree *tree, struct html_main *main)
{
    uint32_t letters = 0, linked = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        main->letters[i] = letters;
        main->linked[i] = linked;
        if (!html_is_run(node) || main->state[i] == HTML_STATE_PRUNED)
            continue;
        uint32_t size = node->to - node->from, count = main->run_letters[i];
        letters += count;
        linked += (uint32_t)((uint64_t)count * node->link_bytes / size);
    }
    main->letters[tree->count] = letters;
    main->linked[tree->count] = linked;
}

/* Step 1. A bad node that holds most of the page's unlinked text is misnamed, or not closed, and stays; but programs that make manuals
 * do neither to their footers. */
static void prune(const struct html_tree *tree, struct html_main *main)
{
    uint32_t text = html_letters_in(main, 0, tree->count) - html_linked_in(main, 0, tree->count);
    for (size_t i = 1; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        if (html_is_run(node) || !looks_bad(node))
            continue;
        uint32_t own = html_letters_in(main, i, node->end) - html_linked_in(main, i, node->end);
        bool misnamed = (uint64_t)own * 2 > text && !(tree->head.manual && is_foot(node));
        if (misnamed && !(node->flags & HTML_NODE_HIDDEN))
            continue;
        /* In a manual a "sidebar" is a box of text, and "comments" is what a section is about. */
        if (tree->head.manual && own > BOX_LETTERS_MIN && html_link_density(main, i, node->end) < 0.3 &&
            !is_foot(node) && !(node->flags & HTML_NODE_ROLE))
            continue;
        html_set_state(main, i, node->end, HTML_STATE_PRUNED);
        i = node->end - 1;
    }
}

static void take(const struct html_tree *tree, struct html_main *main, size_t i)
{
    for (size_t j = i; j < tree->nodes[i].end; j++)
        if (main->state[j] == HTML_STATE_OUT)
            main->state[j] = HTML_STATE_TAKEN;
}

/* Siblings, or cousins that have the same tag and hints: a body cut by an advertisement stands in rows of a grid. */
static bool are_pieces(const struct html_tree *tree, size_t i, size_t best)
{
    const struct html_node *a = &tree->nodes[i], *b = &tree->nodes[best];
    if (a->parent == b->parent)
        return true;
    return a->tag == b->tag && a->hints == b->hints && a->parent && b->parent &&
           tree->nodes[a->parent].parent == tree->nodes[b->parent].parent;
}

/* The marked body with most unlinked text; one that says so to search engines (schema.org) before one with a telling name. 0: none. */
static size_t best_body(const struct html_tree *tree, const struct html_main *main, uint32_t *out_letters)
{
    size_t best = 0;
    uint32_t best_letters = 0;
    unsigned best_flag = 0;
    for (size_t i = 1; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        if (main->state[i] == HTML_STATE_PRUNED || html_is_run(node) || !(node->hints & HTML_HINT_BODY))
            continue;
        uint32_t letters = html_letters_in(main, i, node->end) - html_linked_in(main, i, node->end);
        unsigned flag = letters >= BODY_LETTERS_MIN ? node->flags & HTML_NODE_BODY : 0;
        if (flag < best_flag || (flag == best_flag && letters <= best_letters))
            continue;
        best = i;
        best_letters = letters;
        best_flag = flag;
    }
    *out_letters = best_letters;
    return best;
}

/* Step 2. The marked body and its pieces; false where it holds too little to be believed. */
static bool take_bodies(const struct html_tree *tree, struct html_main *main)
{
    uint32_t letters, share = BODY_SHARE_MIN, all = html_letters_in(main, 0, tree->count);
    size_t best = best_body(tree, main, &letters);
    if (tree->nodes[best].flags & HTML_NODE_BODY)
        share = STATED_BODY_SHARE_MIN;
    if (letters < BODY_LETTERS_MIN || (uint64_t)letters * 100 < (uint64_t)all * share)
        return false;
    for (size_t i = 1; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        if (html_is_run(node) || !(node->hints & HTML_HINT_BODY) || main->state[i] != HTML_STATE_OUT ||
            !are_pieces(tree, i, best))
            continue;
        take(tree, main, i);
        i = node->end - 1;
    }
    return true;
}

static float tag_score(const struct html_node *node)
{
    float score = 0;
    switch (node->tag) {
    case HTML_TAG_article:
    case HTML_TAG_main:
        score = 15;
        break;
    case HTML_TAG_div:
    case HTML_TAG_section:
        score = 5;
        break;
    case HTML_TAG_pre:
    case HTML_TAG_td:
    case HTML_TAG_blockquote:
        score = 3;
        break;
    case HTML_TAG_ol:
    case HTML_TAG_ul:
    case HTML_TAG_dl:
    case HTML_TAG_dd:
    case HTML_TAG_dt:
    case HTML_TAG_li:
    case HTML_TAG_form:
    case HTML_TAG_address:
        score = -3;
        break;
    case HTML_TAG_th:
    case HTML_TAG_header:
        score = -5;
        break;
    default:
        break;
    }
    score += node->hints & HTML_HINT_BODY ? 30 : node->hints & HTML_HINT_GOOD ? 20 : 0;
    return score - (node->hints & HTML_HINT_WEAK ? 20 : 0);
}

/* Step 2, where no body is marked. The element with the best score, 0 (the root) where nothing scores. */
static size_t best_node(const struct html_tree *tree, struct html_main *main)
{
    for (size_t i = 0; i < tree->count; i++)
        main->score[i] = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        uint32_t letters = html_is_run(node) && main->state[i] != HTML_STATE_PRUNED ? main->run_letters[i] : 0;
        if (letters < PARAGRAPH_LETTERS_MIN)
            continue;
        float points = (1.0f + (float)main->run_commas[i] + Q_MIN((float)letters / 100, 3.0f)) *
                       (float)(1 - (double)node->link_bytes / (node->to - node->from));
        size_t at = node->parent;
        if (at && tree->nodes[at].to - tree->nodes[at].from == node->to - node->from)
            at = tree->nodes[at].parent; /* the paragraph's own element: its container is what counts */
        for (unsigned step = 0; step < 5; step++) {
            main->score[at] += step < 2 ? points / (float)(step + 1) : points / (float)(step * 3);
            if (at == 0)
                break;
            at = tree->nodes[at].parent;
        }
    }
    size_t best = 0;
    float best_score = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        if (html_is_run(node) || main->state[i] == HTML_STATE_PRUNED || main->score[i] <= 0)
            continue;
        main->score[i] = (main->score[i] + tag_score(node)) * (float)(1 - html_link_density(main, i, node->end));
        if (main->score[i] > best_score) {
            best = i;
            best_score = main->score[i];
        }
    }
    return best;
}

/* Whether the first thing in an element is a heading, itself or in a wrapper. */
static bool begins_with_heading(const struct html_tree *tree, size_t i)
{
    for (size_t at = i + 1; at < tree->nodes[i].end && at <= i + 2; at++)
        if (html_is_heading(tree->nodes[at].tag))
            return true;
    return false;
}

/* An item scores for its list, and a list that is all there is under a heading for that section. */
static size_t lift_item(const struct html_tree *tree, const struct html_main *main, size_t best)
{
    const struct html_node *nodes = tree->nodes;
    while (best && (nodes[best].tag == HTML_TAG_dd || nodes[best].tag == HTML_TAG_li))
        best = nodes[best].parent;
    if (nodes[best].tag != HTML_TAG_dl && nodes[best].tag != HTML_TAG_ul && nodes[best].tag != HTML_TAG_ol)
        return best;
    size_t up = nodes[best].parent;
    uint64_t own = html_letters_in(main, best, nodes[best].end), all = html_letters_in(main, up, nodes[up].end);
    return up && begins_with_heading(tree, up) && all * 5 < own * 6 ? up : best;
}

/* From the best node up while its parent adds text that reads like text: a section of a page whose sections are siblings scores best by
 * itself, and yet the page is all of them. */
static size_t climb(const struct html_tree *tree, const struct html_main *main, size_t best)
{
    enum { MORE_MIN_PERCENT = 20, LINKS_MAX_PERCENT = 5 };
    for (size_t up = best; up;) {
        up = tree->nodes[up].parent;
        uint32_t own = html_letters_in(main, best, tree->nodes[best].end);
        uint32_t more = html_letters_in(main, up, tree->nodes[up].end) - own;
        uint32_t more_linked =
            html_linked_in(main, up, tree->nodes[up].end) - html_linked_in(main, best, tree->nodes[best].end);
        if ((uint64_t)more * 100 < (uint64_t)own * MORE_MIN_PERCENT)
            continue;
        if ((uint64_t)more_linked * 100 > (uint64_t)more * LINKS_MAX_PERCENT)
            break;
        best = up;
    }
    return best;
}

/* Programs that make manuals name what is not text, so that all the rest is: what stands in <main>, where that is most of it, else the whole page. */
static size_t manual_node(const struct html_tree *tree, const struct html_main *main)
{
    uint32_t all = html_letters_in(main, 0, tree->count);
    for (size_t i = 1; i < tree->count; i++)
        if (tree->nodes[i].flags & HTML_NODE_MAIN && html_letters_in(main, i, tree->nodes[i].end) * (uint64_t)2 > all)
            return i;
    return 0;
}

/* The best node and those of its siblings that score or read like it. */
static void take_best(const struct html_tree *tree, struct html_main *main, size_t best)
{
    take(tree, main, best);
    if (best == 0)
        return;
    size_t parent = tree->nodes[best].parent;
    float enough = Q_MAX(10.0f, main->score[best] * 0.2f);
    for (size_t i = parent + 1; i < tree->nodes[parent].end; i = tree->nodes[i].end) {
        const struct html_node *node = &tree->nodes[i];
        if (i == best || main->state[i] != HTML_STATE_OUT)
            continue;
        uint32_t letters = html_letters_in(main, i, node->end);
        double links = html_link_density(main, i, node->end);
        bool paragraph = node->tag == HTML_TAG_p || html_is_run(node);
        bool section = node->tag == tree->nodes[best].tag && letters > SECTION_LETTERS_MIN && links < 0.25 &&
                       begins_with_heading(tree, i);
        if ((!html_is_run(node) && main->score[i] >= enough) || (paragraph && letters > 80 && links < 0.25) || section)
            take(tree, main, i);
    }
}

q_status html_main_all(const struct html_tree *tree, struct html_main *main)
{
    Q_TRY(grow(main, tree->count));
    html_set_state(main, 0, tree->count, HTML_STATE_TAKEN);
    for (size_t i = 1; i < tree->count; i++)
        if (tree->nodes[i].flags & HTML_NODE_HIDDEN)
            html_set_state(main, i, tree->nodes[i].end, HTML_STATE_PRUNED);
    return Q_OK;
}

q_status html_main_find(const struct html_tree *tree, struct html_main *main)
{
    Q_TRY(grow(main, tree->count));
    html_set_state(main, 0, tree->count, HTML_STATE_OUT);
    count_runs(tree, main);
    cumulate(tree, main);
    prune(tree, main);
    cumulate(tree, main);
    if (tree->head.manual) {
        take(tree, main, manual_node(tree, main));
    } else if (!take_bodies(tree, main)) {
        take_best(tree, main, climb(tree, main, lift_item(tree, main, best_node(tree, main))));
        if (html_taken_letters(tree, main) < MAIN_LETTERS_MIN)
            take(tree, main, 0);
    }
    html_clean(tree, main);
    return Q_OK;
}

void html_main_release(struct html_main *main)
{
    q_release(main->state);
    q_release(main->score);
    q_release(main->letters);
    q_release(main->linked);
    q_release(main->run_letters);
    q_release(main->run_commas);
    *main = (struct html_main){0};
}
