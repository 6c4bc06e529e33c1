#!/usr/bin/env bash
# Makes the packages in target/packages: build.sh [--profile PROFILE] [--target TARGET] [deb] [rpm] [tar]
# Needs cargo-deb for deb and cargo-generate-rpm for rpm. Without a format it makes all three.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

readonly STAGE=target/package OUT=target/packages
PROFILE=dist TARGET='' FORMATS=()
while (($# > 0)); do
  case $1 in
    --profile) PROFILE=$2 && shift ;;
    --target) TARGET=$2 && shift ;;
    deb | rpm | tar) FORMATS+=("$1") ;;
    *) sed -n '2,3s/^# //p' "$0" >&2 && exit 2 ;;
  esac
  shift
done
((${#FORMATS[@]} > 0)) || FORMATS=(deb rpm tar)

# Where cargo puts the program; the profile dev has a folder of another name.
folder=$PROFILE
[[ $PROFILE != dev ]] || folder=debug
readonly BUILT=${CARGO_TARGET_DIR:-target}/${TARGET:+$TARGET/}$folder
triple=${TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
target_option=(${TARGET:+--target "$TARGET"})

stage() {
  cargo build --locked --profile "$PROFILE" --features cluster --bin matterhost "${target_option[@]}"
  rm -rf "$STAGE"
  mkdir -p "$STAGE/completions" "$STAGE/man" "$OUT"
  # A program for another machine cannot describe itself here; that of this machine is the same.
  local program=$BUILT/matterhost
  if ! "$program" --version >/dev/null 2>&1; then
    cargo build --locked --features cluster --bin matterhost
    program=${CARGO_TARGET_DIR:-target}/debug/matterhost
  fi
  "$program" man "$STAGE/man"
  gzip --best --no-name "$STAGE"/man/*.1
  "$program" completions bash >"$STAGE/completions/matterhost.bash"
  "$program" completions zsh >"$STAGE/completions/_matterhost"
  "$program" completions fish >"$STAGE/completions/matterhost.fish"
  # Packages put the program into /usr/bin, and take all tokens of a directory.
  sed -e 's|/usr/local/bin/|/usr/bin/|' -e 's|^LoadCredential=helpdesk|# &|' -e 's|^# \(LoadCredential=tokens:\)|\1|' \
    docs/deploy/systemd/matterhost.service >"$STAGE/matterhost.service"
}

deb() {
  cargo deb --no-build --profile "$PROFILE" "${target_option[@]}" --output "$OUT/"
}

rpm() {
  cargo generate-rpm --profile "$folder" "${target_option[@]}" --output "$OUT/"
}

tar_ball() {
  local name=matterhost-$version-$triple
  rm -rf "${OUT:?}/$name"
  mkdir "$OUT/$name"
  cp -r "$BUILT/matterhost" "$STAGE/completions" "$STAGE/man" README.md CHANGELOG.md LICENSE \
    docs/deploy/systemd "$OUT/$name/"
  tar --create --gzip --file "$OUT/$name.tar.gz" --directory "$OUT" --owner=0 --group=0 --sort=name "$name"
  rm -r "${OUT:?}/$name"
}

stage
for format in "${FORMATS[@]}"; do
  case $format in
    tar) tar_ball ;;
    *) "$format" ;;
  esac
done
ls -l "$OUT"
