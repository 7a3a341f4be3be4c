#!/usr/bin/env bash
# The environment of SALUS, then the command, which gets the container's signals.
if [ -e "/opt/ros/${ROS_DISTRO:-jazzy}/setup.bash" ]; then
  . "/opt/ros/${ROS_DISTRO:-jazzy}/setup.bash"
fi
. "$(dirname "${BASH_SOURCE[0]}")/../env.sh"
exec "$@"
