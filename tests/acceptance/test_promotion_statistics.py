"""Error rates of promotion on simulated results: 2,000 rows, the two models differ on 15% of them."""

from tests.release.test_champion_challenger import rejections


def test_a_drop_of_five_points_is_rejected_99_times_in_100_and_an_equal_challenger_at_most_5() -> None:
    dropped, equal = rejections(0.05, 100), rejections(0.0, 100)
    print(f"rejected: {dropped} of 100 challengers that lost five points, {equal} of 100 equal ones")
    assert dropped >= 99
    assert equal <= 5
