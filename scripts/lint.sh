#!/usr/bin/env bash
# Style and types. Settings: pyproject.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ruff check .
ruff format --check .
for package in src/*/; do
  name=$(basename "$package")
  if [ -d "$package$name" ]; then mypy "$package$name"; fi
done
