"""What the tests of commands share."""


def one_line(error: str) -> str:
    """An error as a user sees it: one line that begins with the command's name."""
    assert error.startswith("salus: ")
    assert len(error.strip().splitlines()) == 1
    return error
