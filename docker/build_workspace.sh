#!/usr/bin/env bash
# Builds the workspace: build_workspace.sh [OPTION OF COLCON BUILD...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
set +u # ROS's own files read unset variables
if [ -e "/opt/ros/${ROS_DISTRO:-jazzy}/setup.sh" ]; then . "/opt/ros/${ROS_DISTRO:-jazzy}/setup.sh"; fi
. ./env.sh
set -u
colcon --log-level error build --merge-install --symlink-install \
  --event-handlers console_cohesion- "$@" \
  --cmake-args -DPython3_EXECUTABLE="$PWD/.venv/bin/python" -DBUILD_TESTING=OFF --no-warn-unused-cli
rm -rf log
