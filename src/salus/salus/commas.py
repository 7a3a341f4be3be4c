"""Options that hold several whole numbers with commas between."""

from salus_data.errors import FormatError


def whole_numbers(option: str, text: str, example: str) -> tuple[int, ...]:
    """The numbers of `5,10,15`, in their order.

    Args:
        option: its name, for the refusal.
        text: what was given.
        example: what could be given.

    Raises:
        FormatError: one is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise FormatError(
            f"{option} is {text!r}; give whole numbers with commas, such as {example}"
        ) from None
