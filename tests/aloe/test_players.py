from sample_tree import TREE
from snapshots import drawn

from aloe.players import find_players
from aloe.schema import Vote
from aloe.views.tree import head


def test_rules_are_named_in_place_of_models_that_were_not_asked() -> None:
    def by_rule(vote: Vote) -> Vote:
        return vote.model_copy(update={"judge": "rule"})

    models = dict.fromkeys(("user", "inducer", "plain", "judge", "judge2"), "m")
    nodes = tuple(
        node.model_copy(update={"agent": "rule"} if node.role == "user" else {})
        for node in TREE.nodes
    )
    verdicts = tuple(
        each.model_copy(update={"votes": tuple(map(by_rule, each.votes))}) for each in TREE.verdicts
    )
    tree = TREE.model_copy(update={"models": models})
    assert find_players(tree) == models
    judged = tree.model_copy(update={"verdicts": verdicts})
    assert find_players(judged) == models | {"judge": "rules", "judge2": "rules"}
    played = tree.model_copy(update={"nodes": nodes})
    assert find_players(played) == models | {"user": "rules", "inducer": "rules"}
    all_ruled = tree.model_copy(update={"nodes": nodes, "verdicts": ()})
    asked = [name for name, who in find_players(all_ruled).items() if who == "m"]
    assert asked == ["plain"]
    assert "rules (user, inducer, judge, judge2); m (plain)" in drawn(head(all_ruled, None), 120)
