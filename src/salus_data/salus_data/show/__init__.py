"""One episode on one page: one HTML file that needs nothing else."""

from salus_data.show.forecasts import ShownForecasts
from salus_data.show.page import write_episode_page

__all__ = ["ShownForecasts", "write_episode_page"]
