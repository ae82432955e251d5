import pytest

from pocketbert.targets.base import lengths_up_to


@pytest.mark.parametrize(
    ("longest", "lengths"),
    [
        (8, (8,)),
        (32, (8, 16, 32)),
        (64, (8, 16, 32, 64)),
        (160, (8, 16, 32, 64, 128, 160)),
        (512, (8, 16, 32, 64, 128, 256, 512)),
    ],
)
def test_lengths_double_up_to_the_longest(longest, lengths):
    assert lengths_up_to(longest) == lengths
