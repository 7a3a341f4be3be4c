"""A sample of the fuzzing; all of it: python -m salus_data.bags.fuzz BAG --mutations 500."""

import pytest
from bag_builders import bag_items, drawn_episodes, write_bag

from salus_data.bags.fuzz import fuzz
from salus_data.bags.mutations import IN_FILES, IN_MESSAGES


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_bags_never_crash_nor_lie(tmp_path, seed):
    bag = write_bag(tmp_path / "bag", bag_items(*drawn_episodes()))
    result = fuzz(bag, len(IN_MESSAGES) + len(IN_FILES), seed)
    assert not result.failures
    assert result.imported > 0
    assert result.lost > 0
