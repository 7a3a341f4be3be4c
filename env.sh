# The environment of SALUS; source it: . ./env.sh
# Works in bash and zsh. Needs `make setup` once.
if [ -n "${BASH_SOURCE:-}" ]; then _salus_root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
elif [ -n "${ZSH_VERSION:-}" ]; then _salus_root=${0:A:h}
else _salus_root=$PWD; fi

if [ ! -x "$_salus_root/.venv/bin/python" ]; then
  echo "env.sh: $_salus_root is not set up; run: make setup" >&2
else
  _salus_prepend() { # _salus_prepend VARIABLE FOLDER, once
    eval "_salus_value=\${$1:-}"
    case ":$_salus_value:" in
      *":$2:"*) ;;
      *) eval "export $1=\"$2\${_salus_value:+:$_salus_value}\"" ;;
    esac
  }
  export VIRTUAL_ENV=$_salus_root/.venv
  _salus_prepend PATH "$VIRTUAL_ENV/bin"
  if [ -e "$VIRTUAL_ENV/share/rclpy" ]; then   # ROS from wheels
    _salus_prepend CMAKE_PREFIX_PATH "$VIRTUAL_ENV"
    _salus_prepend AMENT_PREFIX_PATH "$VIRTUAL_ENV"
    _salus_prepend LD_LIBRARY_PATH "$VIRTUAL_ENV/lib"
    export ROS_VERSION=2 ROS_PYTHON_VERSION=3 ROS_DISTRO=${ROS_DISTRO:-jazzy} SALUS_ROS_FROM_WHEELS=1
  else   # a Jazzy installation: `ros2 launch` runs in the system's Python and needs these, too
    for _salus_site in "$VIRTUAL_ENV"/lib/python3.*/site-packages; do
      case ":${PYTHONPATH:-}:" in
        *":$_salus_site:"*) ;;
        *) export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}$_salus_site" ;;
      esac
    done
    unset _salus_site
  fi
  export MUJOCO_GL=${MUJOCO_GL:-egl}
  # Over shared memory, Fast DDS loses messages to the living for 20 s once a process was killed
  # (docs/SUPERVISOR.md); over UDP it does not.
  export FASTDDS_BUILTIN_TRANSPORTS=${FASTDDS_BUILTIN_TRANSPORTS:-UDPv4}
  # Two spinning OpenMP threads beside other work can slow everything down fifty times.
  export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
  if [ -e "$_salus_root/install/local_setup.sh" ]; then
    COLCON_CURRENT_PREFIX=$_salus_root/install . "$_salus_root/install/local_setup.sh"
  fi
  unset -f _salus_prepend
  unset _salus_value
fi
unset _salus_root
