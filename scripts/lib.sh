# Shared by scripts/run and scripts/test: one line before each step, plain words when a step cannot be
# taken, and an installation that a second run finds done. Sourced from the repository's root.
#
# Environment:
#   PYTHON           the interpreter that makes .venv (3.11 or newer; default: the first one found)
#   TORCH_INDEX_URL  a package index that holds PyTorch's CPU builds, where pip's own sources have none

venv=.venv
install_allowed=yes

step() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }

# fail MESSAGE [COMMAND...]: says what is missing and the commands that mend it, and ends the script.
fail() {
  printf '\ncannot go on: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  run: %s\n' "$@" >&2
  exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- Debian packages ---------------------------------------------------------------------------

# The command that installs PACKAGE..., as this user would have to type it.
apt_command() {
  local sudo="sudo "
  ! is_root || sudo=""
  printf '%s' "${sudo}apt-get install -y --no-install-recommends $*"
}

# apt_install PACKAGE...: true when they are installed; otherwise the command has been named.
apt_install() {
  if [ "$install_allowed" = no ] || ! is_root || ! has apt-get; then
    note "missing: $*; run: $(apt_command "$@")"
    return 1
  fi
  step "installing Debian packages: $*"
  if apt_quietly update && apt_quietly install -y --no-install-recommends "$@"; then return 0; fi
  note "apt-get failed (see above); with a network, run: $(apt_command "$@")"
  return 1
}

# Silent when it works, its whole output when it does not.
apt_quietly() {
  local output
  if output=$(DEBIAN_FRONTEND=noninteractive apt-get -q "$@" 2>&1 </dev/null); then return 0; fi
  printf '%s\n' "$output" >&2
  return 1
}

# --- the virtual environment -------------------------------------------------------------------

# The first interpreter that is new enough, as a path.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

# A hash of what the installation depends on: when it changes, the next run installs.
pins_hash() { cat pyproject.toml constraints.txt | sha256sum | cut -c1-16; }

# is_installed EXTRAS: an earlier run stamped these extras (or `dev`, which holds all) for these pins.
is_installed() {
  local stamp
  for stamp in "$venv/.installed-$1" "$venv/.installed-dev"; do
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(pins_hash)" ]; then return 0; fi
  done
  return 1
}

# ensure_venv EXTRAS: .venv exists and holds the extras at the pinned versions.
ensure_venv() {
  if is_installed "$1"; then note "$venv is up to date"; return 0; fi
  if [ "$install_allowed" = no ]; then use_venv_as_it_is "$1"; return 0; fi
  make_venv
  install_torch
  step "installing the pinned packages ($1) into $venv"
  pip_install -e ".[$1]" || fail_offline "$1"
  pins_hash >"$venv/.installed-$1"
}

# With --no-install: what is there will do if it has the commands; nothing is touched.
use_venv_as_it_is() {
  local command
  for command in python reward-server trainer_client; do
    [ -x "$venv/bin/$command" ] && continue
    fail "$venv/bin/$command is missing, and --no-install forbids to install it" \
      "$0    (installs into $venv, without --no-install)" \
      "python3.11 -m venv $venv && $venv/bin/pip install -c constraints.txt -e '.[$1]'    (the same by hand)"
  done
  note "$venv was not set up for the present pins by these scripts; used as it is (--no-install)"
}

make_venv() {
  local python
  if [ -x "$venv/bin/pip" ]; then return 0; fi
  python=$(find_python) || { apt_install python3.11 python3.11-venv && python=$(find_python); } ||
    fail "Python 3.11 or newer is missing (or name one with PYTHON=...)" "$(apt_command python3.11 python3.11-venv)"
  step "making $venv with $python"
  # Debian keeps ensurepip in a package of its own.
  "$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv ||
    fail "$python has no ensurepip" "$(apt_command python3-venv)"
  "$python" -m venv "$venv"
}

# pip's own lines are many; those that tell a person how far it is are kept.
pip_install() {
  local pins=(-c constraints.txt)
  [ "$venv" != .vllm ] || pins=()
  "$venv/bin/python" -u -m pip --disable-pip-version-check install "${pins[@]}" --progress-bar off "$@" </dev/null |
    sed -unE 's/^ *((Downloading|Building wheel|Installing collected).{0,90}).*/    \1/p'
}

# The CPU build where there is no GPU: the plain name would bring gigabytes of CUDA libraries.
install_torch() {
  local version
  version=$(sed -n 's/^torch==//p' constraints.txt)
  if "$venv/bin/python" -c "import importlib.metadata as m; raise SystemExit(m.version('torch').split('+')[0] != '$version')" 2>/dev/null; then
    return 0
  fi
  if has nvidia-smi && nvidia-smi -L >/dev/null 2>&1; then
    step "installing torch $version (this machine has a GPU)"
    pip_install "torch==$version" || fail_offline trainer
    return 0
  fi
  step "installing torch $version, the CPU build (no GPU seen)"
  if pip_install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} "torch==$version+cpu" 2>/dev/null; then return 0; fi
  note "pip knows no CPU build of torch $version; taking the default one, which may be several GB"
  note "(to take the small one, set TORCH_INDEX_URL to PyTorch's index of CPU wheels)"
  pip_install "torch==$version" || fail_offline trainer
}

# --- vLLM's environment ------------------------------------------------------------------------

# ensure_vllm: .vllm holds vLLM and the trainer at the versions of scripts/vllm.txt; false, with the reason said,
# where it cannot be had. About 3.4 GB, and some minutes.
ensure_vllm() {
  local wanted
  wanted=$(cat scripts/vllm.txt constraints.txt pyproject.toml | sha256sum | cut -c1-16)
  if [ -f .vllm/.installed ] && [ "$(cat .vllm/.installed)" = "$wanted" ]; then note ".vllm is up to date"; return 0; fi
  if [ "$install_allowed" = no ]; then note ".vllm is missing, and --no-install forbids to install it"; return 1; fi
  find_python >/dev/null || { note ".vllm cannot be made: no Python 3.11 or newer"; return 1; }
  step "installing vLLM's CPU build into .vllm (about 3.4 GB)"
  local began=$SECONDS
  (venv=.vllm && make_venv && install_torch &&
    pip_install --no-deps -r scripts/vllm.txt && pip_install --no-deps -e .) ||
    { note "vLLM could not be installed"; return 1; }
  printf '%s\n' "$wanted" >.vllm/.installed
  note ".vllm took $((SECONDS - began)) s and $(du -sm .vllm | cut -f1) MB"
}

fail_offline() {
  fail "pip could not install (its words are above). Without a network, fetch on a machine that has one and bring the folder here:" \
    "pip download -d wheels -c constraints.txt '.[$1]' 'setuptools>=77'" \
    "PIP_NO_INDEX=1 PIP_FIND_LINKS=\$PWD/wheels $0"
}
