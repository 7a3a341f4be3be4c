"""One episode told whole: its frames, and what was done and felt on one time axis."""

from dataclasses import dataclass

from salus_data.summary.pictures import Filmstrip, cameras, description, filmstrip
from salus_data.summary.statistics import ending
from salus_data.summary.timelines import Panel, timeline
from salus_data.view import StoreView


@dataclass(frozen=True)
class Story:
    """One episode; steps are its rows.

    Attributes:
        episode: its id.
        ending: how it ended.
        description: what was disturbed and when what happened.
        length: rows.
        onset, confirm: steps of the event, -1 for none.
        milestones: (name, step) of each.
        strip: frames; None where none were recorded.
        panels: actions and signals over the steps.
    """

    episode: str
    ending: str
    description: str
    length: int
    onset: int
    confirm: int
    milestones: tuple[tuple[str, int], ...]
    strip: Filmstrip | None
    panels: tuple[Panel, ...]


def story(view: StoreView, episode: int) -> Story:
    """Read what one episode needs to be told."""
    record = view.records[episode]
    return Story(
        episode=record.id,
        ending=ending(record, view.contract),
        description=description(view, episode),
        length=view.length(episode),
        onset=record.onset_step,
        confirm=record.confirm_step,
        milestones=record.milestones,
        strip=filmstrip(view, episode) if cameras(view) else None,
        panels=timeline(view, episode),
    )
