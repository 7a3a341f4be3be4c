"""What `salus bench train` measures, on little; never how fast."""

import numpy as np

from salus_predictor.training.measure import made_up, measure


def test_made_up_episodes_can_be_learnt_and_every_speed_is_measured() -> None:
    data = made_up(4000, 5, length=80)
    found = measure(data, epochs=2, inputs="portable")
    assert found.rows >= 4000
    assert found.inputs == 5
    assert found.network_s > 0
    assert found.trees_s > 0
    for times in (found.stream_ms, found.network_ms, found.module_ms):
        assert len(times) > 400
        assert np.isfinite(times).all()
    assert 10_000 < found.folder_bytes < 2_000_000


def test_made_up_episodes_have_failures_of_every_type() -> None:
    data = made_up(2000, 4)
    assert {record.failure_type for record in data.records} == {-1, 0, 1, 2, 3}
    assert data.labels[data.valid].any()
