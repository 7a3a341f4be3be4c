"""When training does not begin, or does not go on: it says what was seen and what to check."""

from salus_data.errors import SalusError


class RefusedError(SalusError):
    """Raised when a training would teach nothing, or something false; commands exit with 1 on it.

    Attributes:
        reasons: one line each: what was seen, and what to check.
    """

    def __init__(
        self,
        reasons: list[str],
        way_out: str = "--force trains all the same, and the model says so",
    ) -> None:
        self.reasons = reasons
        self.way_out = way_out
        super().__init__(reasons)

    def __str__(self) -> str:
        lines = "; ".join(self.reasons)
        return f"training refused: {lines}" + (f" ({self.way_out})" if self.way_out else "")
