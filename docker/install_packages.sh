#!/usr/bin/env bash
# Installs the Python packages of uv.lock into .venv: install_packages.sh cpu|cuda
set -euo pipefail
variant=${1:?cpu or cuda}
groups=(--group dev --group policy)

# ROS's own Python packages come with the image and are found through PYTHONPATH.
uv venv --quiet --python "${UV_PYTHON:-python3.12}" .venv
case $variant in
cuda)
  uv sync --frozen --inexact --quiet "${groups[@]}"
  ;;
cpu)
  # PyPI's torch needs NVIDIA's libraries; PyTorch's own index has the same version without.
  uv export --quiet --frozen --no-hashes --no-emit-project "${groups[@]}" \
    --prune torch --no-emit-package torchvision >requirements.txt
  torch=$(sed -n 's/.*"\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)
  vision=$(sed -n 's/.*"\(torchvision==[0-9.]*\)".*/\1/p' pyproject.toml)
  uv pip install --quiet --index-url https://download.pytorch.org/whl/cpu "$torch" "$vision"
  uv pip install --quiet --requirement requirements.txt
  rm requirements.txt
  ;;
*)
  echo "install_packages.sh: $variant is no variant; there are cpu and cuda" >&2
  exit 2
  ;;
esac
