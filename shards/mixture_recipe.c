/* A recipe's mixture: the weights of its inputs, and the pieces of 'train.mixture' that change them. */
#include "base/check.h"
#include "base/recipe.h"
#include "shards/mixture.h"

#define AT(member) offsetof(struct mixture_piece, member)

static const struct q_setting rows[] = {
    {.name = "from",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(from),
     .unit = "tokens",
     .standard = NULL,
     .min = 1,
     .max = 1e18,
     .meaning =
         "where the piece begins, in tokens of the data's order: those trained on and those that guards skipped; "
         "up to 64 sequences later in truth"},
    {.name = "weights",
     .type = Q_SETTING_TREE,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(tree),
     .meaning = "must be given: `{NAME: weight, ...}`, names of inputs and how often their sequences are seen in one "
                "pass from there on; inputs that are not named have their own `weight`"},
    {0}};
const struct q_settings_table mixture_piece_table = {"mixture", rows, sizeof(struct mixture_piece)};

/* The input of that name; the count of the inputs where there is none. */
static size_t find_input(const struct q_recipe *recipe, q_string name)
{
    const struct q_input *inputs = recipe->inputs.items;
    size_t i = 0;
    while (i < recipe->inputs.count && !q_string_is(name, inputs[i].name))
        i++;
    return i;
}

static q_status unknown_input(const struct q_recipe *recipe, struct q_arena *arena, const struct q_node *node)
{
    const struct q_input *inputs = recipe->inputs.items;
    const char **names;
    Q_TRY(q_arena_alloc(arena, recipe->inputs.count + 1, sizeof *names, &names));
    for (size_t i = 0; i < recipe->inputs.count; i++)
        names[i] = inputs[i].name;
    const char *nearest = q_nearest_name(node->key, names);
    return nearest ? q_fail(Q_ERR_USAGE, "'%s': no input has this name; did you mean '%s'?", node->path, nearest)
                   : q_fail(Q_ERR_USAGE, "'%s': no input has this name", node->path);
}

static q_status read_weight(const struct q_recipe *recipe, struct q_arena *arena, const struct q_node *node,
                            double *weights)
{
    const size_t input = find_input(recipe, node->key);
    double weight;
    if (input == recipe->inputs.count)
        return unknown_input(recipe, arena, node);
    if (node->kind != Q_NODE_SCALAR || q_parse_double(node->text, &weight) || !(weight >= 0 && weight <= 1e6))
        return q_fail(Q_ERR_USAGE, "'%s' must be a number, 0 to 1000000", node->path);
    weights[input] = weight;
    return Q_OK;
}

static q_status read_piece(const struct q_recipe *recipe, struct q_arena *arena, const struct q_node *node,
                           struct mixture_piece *out)
{
    const struct q_input *inputs = recipe->inputs.items;
    double *weights;
    Q_TRY(q_settings_load(&mixture_piece_table, node, arena, out));
    if (!out->tree || out->tree->kind != Q_NODE_MAP)
        return q_node_context(
            node, q_fail(Q_ERR_USAGE, "'%s.weights' must be given: a mapping of inputs' names to weights", node->path));
    Q_TRY(q_arena_alloc(arena, recipe->inputs.count + 1, sizeof *weights, &weights));
    for (size_t i = 0; i < recipe->inputs.count; i++)
        weights[i] = inputs[i].weight;
    for (const struct q_node *one = out->tree->children; one; one = one->next)
        Q_TRY(q_node_context(one, read_weight(recipe, arena, one, weights)));
    out->weights = weights;
    return Q_OK;
}

q_status mixture_pieces(const struct q_recipe *recipe, struct q_arena *arena, struct mixture_piece **out, size_t *count)
{
    const struct q_node *train = q_recipe_section(recipe, "train");
    const struct q_node *list = train ? q_node_child(train, "mixture") : NULL;
    size_t number = 0;
    *out = NULL;
    *count = 0;
    if (!list || q_node_is_null(list))
        return Q_OK;
    if (list->kind != Q_NODE_LIST)
        return q_node_context(list, q_fail(Q_ERR_USAGE, "'%s' must be a list: lines that begin with '- '", list->path));
    for (const struct q_node *node = list->children; node; node = node->next)
        number++;
    Q_TRY(q_arena_alloc(arena, number + 1, sizeof **out, out));
    for (const struct q_node *node = list->children; node; node = node->next) {
        struct mixture_piece *piece = &(*out)[(*count)++];
        Q_TRY(read_piece(recipe, arena, node, piece));
        if (piece > *out && piece->from <= piece[-1].from)
            return q_node_context(
                node, q_fail(Q_ERR_USAGE, "'%s' begins where the piece before does, or earlier; 'from' must ascend",
                             node->path));
    }
    return Q_OK;
}

/* What a source of the shards has of a list with a value for each input. */
static double of_source(const struct q_recipe *recipe, const char *source, const double *weights)
{
    const size_t input = find_input(recipe, q_string_of(source));
    return input < recipe->inputs.count ? weights[input] : 1;
}

static q_status change(const struct shards *shards, const struct q_recipe *recipe, const struct mixture_piece *piece,
                       struct mixture *mixture)
{
    double *weights;
    Q_TRY(q_alloc(shards->source_count, sizeof *weights, &weights));
    for (size_t i = 0; i < shards->source_count; i++)
        weights[i] = of_source(recipe, shards->sources[i].name, piece->weights);
    const q_status status = mixture_change(mixture, q_ceil_div(piece->from, shards->sequence_tokens), weights);
    q_release(weights);
    return status;
}

static q_status create(const struct shards *shards, const struct q_recipe *recipe, struct mixture **out)
{
    const struct q_input *inputs = recipe->inputs.items;
    struct mixture_weight *weights;
    Q_TRY(q_alloc(shards->source_count, sizeof *weights, &weights));
    for (size_t i = 0; i < shards->source_count; i++) {
        const size_t input = find_input(recipe, q_string_of(shards->sources[i].name));
        weights[i] = input < recipe->inputs.count
                         ? (struct mixture_weight){inputs[input].weight, inputs[input].epochs_max}
                         : (struct mixture_weight){.weight = 1, .epochs_max = 0};
    }
    const q_status status = mixture_create(shards, recipe->seed, weights, out);
    q_release(weights);
    return status;
}

q_status mixture_from_recipe(const struct shards *shards, const struct q_recipe *recipe, struct mixture **out)
{
    struct q_arena arena = {0};
    struct mixture *mixture = NULL;
    struct mixture_piece *pieces;
    size_t count;
    q_status status = mixture_pieces(recipe, &arena, &pieces, &count);
    if (!status)
        status = create(shards, recipe, &mixture);
    for (size_t i = 0; i < count && !status; i++)
        status = q_context(change(shards, recipe, &pieces[i], mixture), "'train.mixture' from %llu tokens on",
                           (unsigned long long)pieces[i].from);
    q_arena_release(&arena);
    if (status)
        mixture_release(mixture);
    else
        *out = mixture;
    return status;
}
