#!/usr/bin/env bash
# Checks an RPM package of matterhost, installs it into a directory of its own, and removes it: rpm.sh FILE.rpm. Needs root,
# rpm and rpmlint. Its scripts are not run, because that directory has no shell.
set -euo pipefail

fail() { # message
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

package=$(realpath "$1")
readonly PACKAGE=$package
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Warnings count, too.
said=$(rpmlint --config tests/deploy/rpmlint.toml "$PACKAGE") || true
[[ $said == *'0 errors, 0 warnings'* ]] || fail "$said"
root=$(mktemp -d)
readonly ROOT=$root
trap 'rm -rf "$ROOT"' EXIT

for script in prein postin preun postun; do
  rpm --query --package --queryformat "%{$script}\n" "$PACKAGE" | sed 's/^(none)$//' | sh -n || fail "the script $script"
done

rpm --root "$ROOT" --initdb
system=(rpm --root "$ROOT")
# Debian's rpm wants to be told that this is meant.
[[ ! -e /etc/debian_version ]] || system+=(--force-debian)
"${system[@]}" --install --nodeps --noscripts "$PACKAGE"
"$ROOT/usr/bin/matterhost" --version
for file in /usr/bin/matterhost /etc/matterhost/matterhost.toml /usr/lib/systemd/system/matterhost.service \
  /usr/share/man/man1/matterhost.1.gz /usr/share/man/man1/matterhost-bots-create.1.gz \
  /usr/share/bash-completion/completions/matterhost /usr/share/zsh/vendor-completions/_matterhost \
  /usr/share/fish/vendor_completions.d/matterhost.fish; do
  [[ -e $ROOT$file ]] || fail "the package lacks $file"
done
[[ $(stat --format=%a "$ROOT/etc/matterhost/matterhost.toml") == 644 ]] || fail 'the service cannot read its configuration'
grep --quiet '^ExecStart=/usr/bin/matterhost ' "$ROOT/usr/lib/systemd/system/matterhost.service" || fail 'the unit starts another program'

printf '# mine\n' >>"$ROOT/etc/matterhost/matterhost.toml"
"${system[@]}" --erase --noscripts matterhost
[[ ! -e $ROOT/usr/bin/matterhost ]] || fail 'removing the package leaves the program'
grep --quiet '^# mine$' "$ROOT/etc/matterhost/matterhost.toml.rpmsave" || fail 'removing the package removes a changed configuration'
printf '%s\n' 'The package was checked, installed into a directory, and removed.'
