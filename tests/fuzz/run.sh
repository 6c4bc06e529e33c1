#!/usr/bin/env bash
# Runs the fuzzers: see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

BUILT=${CARGO_TARGET_DIR:-target}
[[ $BUILT == /* ]] || BUILT=$PWD/$BUILT
readonly BUILT FUZZ=tests/fuzz
# The code has no unsafe parts, so that the address sanitizer would find nothing. More units build faster.
readonly OPTIONS=(--fuzz-dir "$FUZZ" --sanitizer none --codegen-units 16 --target-dir "$BUILT/fuzz")
# Inputs grow up to this size. A slower or larger run than these limits is a finding, too.
readonly MAX_INPUT_BYTES=16384 MAX_INPUT_SECONDS=10 MAX_MEMORY_MIB=2048

usage() {
  cat <<'END'
Usage: tests/fuzz/run.sh SECONDS [TARGET...]

Runs each fuzzer for so many seconds, or those that are named, and stops at the first input that makes one fail. Needs a
nightly toolchain and cargo-fuzz. Inputs are kept in target/fuzz/corpus, and the next run starts from them; an input that
fails is kept in tests/fuzz/artifacts.
END
}

main() {
  [[ ${1:-} =~ ^[0-9]+$ ]] || { usage >&2 && exit 2; }
  local seconds=$1 target
  shift
  local targets=("$@")
  ((${#targets[@]})) || mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir "$FUZZ")
  # The versions of the program, to which the fuzzers' own crates are added.
  cp Cargo.lock "$FUZZ/Cargo.lock"
  cargo +nightly fuzz build "${OPTIONS[@]}"
  for target in "${targets[@]}"; do
    echo "--- $target, for $seconds s"
    mkdir -p "$BUILT/fuzz/corpus/$target"
    # The target writes its seeds here before it reads them.
    export MATTERHOST_FUZZ_SEEDS=$BUILT/fuzz/corpus/$target
    cargo +nightly fuzz run "${OPTIONS[@]}" "$target" "$BUILT/fuzz/corpus/$target" -- \
      -max_total_time="$seconds" -max_len="$MAX_INPUT_BYTES" -timeout="$MAX_INPUT_SECONDS" \
      -rss_limit_mb="$MAX_MEMORY_MIB" -print_final_stats=1 -verbosity=0
  done
}

main "$@"
