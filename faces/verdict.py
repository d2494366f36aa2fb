"""The gate's rules: absolute floors, and each head against its trivial baseline."""

from typing import NamedTuple


class Rule(NamedTuple):
    """One row of the verdict. `value` must be at most, or at least, `threshold`."""

    head: str
    rule: str
    value: float
    bound: str
    threshold: float
    passed: bool


def at_most(head: str, rule: str, value: float, threshold: float) -> Rule:
    """A NaN value does not pass."""
    return Rule(head, rule, value, "at most", threshold, bool(value <= threshold))


def at_least(head: str, rule: str, value: float, threshold: float) -> Rule:
    """A NaN value does not pass."""
    return Rule(head, rule, value, "at least", threshold, bool(value >= threshold))


def leaks_rule(head: str, metrics: dict[str, float]) -> Rule:
    """Metrics on a split that leaks are no evidence, whatever they are."""
    return at_most(head, "test faces known to leak (1 = yes)", float(metrics["leaking"]), 0.0)


def keypoint_rules(metrics: dict[str, float], max_nme: float, max_share_of_baseline: float) -> list[Rule]:
    """`max_share_of_baseline` bounds the NME as a share of the mean face's."""
    share = metrics["nme"] / metrics["baseline_nme"]
    return [
        leaks_rule("keypoints", metrics),
        at_most("keypoints", "nme", metrics["nme"], max_nme),
        at_most("keypoints", "nme as a share of the mean face's", share, max_share_of_baseline),
    ]


def emotion_rules(
    metrics: dict[str, float], min_accuracy: float, min_macro_f1: float, min_share_of_gap: float
) -> list[Rule]:
    """`min_share_of_gap` bounds how much of the way from the majority class's accuracy to 1 is gone."""
    base = metrics["baseline_accuracy"]
    gap = (metrics["accuracy"] - base) / (1 - base) if base < 1 else float("nan")
    return [
        leaks_rule("emotion", metrics),
        at_least("emotion", "accuracy", metrics["accuracy"], min_accuracy),
        at_least("emotion", "macro F1", metrics["macro_f1"], min_macro_f1),
        at_least("emotion", "share of the gap from majority class to 1", gap, min_share_of_gap),
    ]
