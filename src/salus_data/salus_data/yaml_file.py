"""Read a YAML file; what cannot be read is one line that names the file."""

from pathlib import Path
from typing import Any

import yaml

from salus_data.errors import FormatError


def read_yaml(path: Path | str) -> Any:
    """The plain data in a YAML file.

    Raises:
        FormatError: the file is missing, cannot be opened, or is not YAML.
    """
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
