#!/usr/bin/env bash
# Checks what docs/deploy holds for systemd, containers and Kubernetes: check.sh TOOLS PROGRAM
# TOOLS is where the linters are installed, PROGRAM the built matterhost.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly TOOLS=$1/linters PROGRAM=$2
readonly UNIT=docs/deploy/systemd/matterhost.service
# What `systemd-analyze security` may say at most, in tenths: under 2.0.
readonly EXPOSURE=19

install() {
  # Again only when the list has changed.
  cmp -s tests/deploy/linters.txt "$TOOLS/linters.txt" && return
  rm -rf "$TOOLS"
  python3 -m venv "$TOOLS"
  "$TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    --requirement tests/deploy/linters.txt
  cp tests/deploy/linters.txt "$TOOLS/linters.txt"
}

unit() {
  local copy said
  copy=$(mktemp -d)/matterhost.service
  # The same unit, with the program where it is now: what is not there cannot be started.
  sed "s|/usr/local/bin/matterhost|$PROGRAM|" "$UNIT" >"$copy"
  # What it does not know it only mentions.
  said=$(systemd-analyze verify "$copy" 2>&1) || true
  if [[ $said == *matterhost.service* ]]; then
    printf '%s\n' "$said" >&2
    return 1
  fi
  rm -r "$(dirname "$copy")"
  systemd-analyze security --offline=true --threshold="$EXPOSURE" "$UNIT" | tail -n 1
}

compose() {
  local client=() file=docs/deploy/compose/compose.yaml
  if docker compose version >/dev/null 2>&1; then
    client=(docker compose)
  elif docker-compose version >/dev/null 2>&1; then
    client=(docker-compose)
  else
    printf '%s\n' "!!! LEFT OUT: $file: there is no docker compose here to read it" >&2
    return
  fi
  DATABASE_PASSWORD=unset "${client[@]}" --file "$file" config --quiet
}

install
unit
"$TOOLS/bin/hadolint" docs/deploy/container/Dockerfile
"$TOOLS/bin/yamllint" --strict --config-file tests/deploy/yamllint.yaml docs/deploy
"$TOOLS/bin/kubernetes-validate" --strict --quiet docs/deploy/kubernetes/*.yaml
compose
