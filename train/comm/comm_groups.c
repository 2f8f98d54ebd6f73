#include "train/comm/comm_groups.h"

q_status comm_groups_create(struct comm *world, unsigned expert_ranks, struct comm_groups *out)
{
    const unsigned ranks = world ? comm_ranks(world) : 1, rank = world ? comm_rank(world) : 0;
    *out = (struct comm_groups){.world = world, .replicas = world, .expert_ranks = expert_ranks};
    if (expert_ranks == 0 || ranks % expert_ranks != 0)
        return q_fail(Q_ERR_USAGE, "groups of %u ranks that share experts cannot be formed from %u", expert_ranks,
                      ranks);
    if (expert_ranks == 1)
        return Q_OK;
    out->replicas = NULL;
    Q_TRY(comm_split(world, rank / expert_ranks, &out->experts));
    return comm_split(world, rank % expert_ranks, &out->replicas);
}

void comm_groups_release(struct comm_groups *groups, bool abandon)
{
    struct comm *own[] = {groups->experts, groups->replicas == groups->world ? NULL : groups->replicas};
    for (int i = 0; i < 2; i++)
        if (abandon)
            comm_abandon(own[i]);
        else
            comm_release(own[i]);
    *groups = (struct comm_groups){0};
}

unsigned comm_groups_ranks(const struct comm_groups *groups)
{
    return groups->world ? comm_ranks(groups->world) : 1;
}

unsigned comm_groups_rank(const struct comm_groups *groups)
{
    return groups->world ? comm_rank(groups->world) : 0;
}
