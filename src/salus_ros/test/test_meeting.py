"""Who has met whom, by what each node reports of its topics."""

import pytest

from salus_ros.meeting import LEASE, Meetings


class Scene:
    """A robot that two nodes hear, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meetings = Meetings(lambda: self.now)
        self.meetings.restart(["policy", "gate"])
        self.robot(2)
        self.listener("policy")
        self.listener("gate")

    def robot(self, listeners: int) -> None:
        self.meetings.hear("robot", {"rate_hz": "30.0", "listeners /joints": str(listeners)})

    def listener(self, name: str, publishers: int = 1, **more: str) -> None:
        self.meetings.hear(name, {"publishers /joints": str(publishers), **more})

    @property
    def gap(self) -> str:
        return self.meetings.gap(["robot", "policy", "gate"])


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_nothing_is_missing_where_everybody_has_met_everybody(scene: Scene) -> None:
    assert scene.gap == ""


def test_a_node_that_has_not_reported_is_waited_for(scene: Scene) -> None:
    assert scene.meetings.gap(["robot", "policy", "recorder"]) == "no report yet of recorder"


def test_a_writer_that_has_met_one_of_two_listeners_is_waited_for(scene: Scene) -> None:
    scene.robot(1)
    assert scene.gap == "robot has met 1 of 2 listeners of /joints"


def test_a_listener_that_has_not_met_its_publisher_is_waited_for(scene: Scene) -> None:
    scene.listener("gate", 0)
    assert scene.gap == "gate has met 0 of 1 publishers of /joints"


def test_whoever_needs_a_contract_is_waited_for_until_it_has_come(scene: Scene) -> None:
    scene.listener("gate", contract="none yet")
    assert scene.gap == "gate has heard no contract"
    scene.listener("gate", contract="expert")
    assert scene.gap == ""


def test_others_who_hear_as_well_do_no_harm(scene: Scene) -> None:
    scene.robot(5)
    assert scene.gap == ""


def test_the_dead_do_not_pass_for_those_that_were_started_in_their_place(scene: Scene) -> None:
    scene.now = 10.0
    scene.meetings.restart(["policy"])
    assert scene.gap == "no report yet of policy"
    scene.listener("policy")
    scene.robot(2)  # the dead and the gate
    assert scene.gap == "robot has met 2 of 3 listeners of /joints"
    scene.robot(3)
    assert scene.gap == ""


def test_once_the_lease_of_the_dead_is_over_nobody_counts_them(scene: Scene) -> None:
    scene.now = 10.0
    scene.meetings.restart(["policy"])
    scene.listener("policy")
    scene.robot(2)
    scene.now += LEASE + 0.1
    assert scene.gap == ""
    scene.robot(1)
    assert scene.gap == "robot has met 1 of 2 listeners of /joints"


def test_who_was_born_after_a_death_need_not_have_met_the_dead(scene: Scene) -> None:
    scene.now = 10.0
    scene.meetings.restart(["robot", "policy"])  # killed and started together
    scene.listener("policy", 1)
    scene.listener("gate", 2)
    scene.robot(2)
    assert scene.gap == ""
    scene.listener("gate", 1)  # the dead robot alone
    assert scene.gap == "gate has met 1 of 2 publishers of /joints"
