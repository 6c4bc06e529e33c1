#!/usr/bin/env bash
# Installs a Debian package of matterhost on this machine, checks it, and removes it: package.sh FILE.deb. Needs root.
set -euo pipefail
readonly PACKAGE=$1

fail() { # message
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

if dpkg-query --show matterhost >/dev/null 2>&1 || [[ -e /etc/matterhost ]]; then
  fail 'matterhost is already installed on this machine, or /etc/matterhost exists'
fi
trap 'dpkg --purge matterhost >/dev/null 2>&1 || true' EXIT

dpkg --install "$PACKAGE"
/usr/bin/matterhost --version
mapfile -t files < <(dpkg-query --listfiles matterhost)
for file in /usr/bin/matterhost /etc/matterhost/matterhost.toml /usr/lib/systemd/system/matterhost.service \
  /usr/share/man/man1/matterhost.1.gz /usr/share/man/man1/matterhost-bots-create.1.gz \
  /usr/share/bash-completion/completions/matterhost /usr/share/zsh/vendor-completions/_matterhost \
  /usr/share/fish/vendor_completions.d/matterhost.fish /usr/share/doc/matterhost/copyright; do
  [[ " ${files[*]} " == *" $file "* || " ${files[*]} " == *" ${file#/usr} "* ]] || fail "the package lacks $file"
done
# The service runs as a user of systemd's, and not as root.
[[ $(stat --format=%a /etc/matterhost/matterhost.toml) == 644 ]] || fail 'the service cannot read its configuration'
[[ $(stat --format=%a /etc/matterhost/tokens) == 700 ]] || fail '/etc/matterhost/tokens is not for root alone'
# The service is enabled by the operator, who first enters a server.
[[ ! -e /etc/systemd/system/multi-user.target.wants/matterhost.service ]] || fail 'the service is enabled'
bash -n /usr/share/bash-completion/completions/matterhost
gzip --decompress --stdout /usr/share/man/man1/matterhost-run.1.gz | grep --quiet '^.TH'
if command -v systemd-analyze >/dev/null; then
  said=$(systemd-analyze verify /usr/lib/systemd/system/matterhost.service 2>&1) || true
  [[ $said != *matterhost.service* ]] || fail "$said"
fi
# The configuration is complete but for the credentials of systemd.
tokens=$(mktemp -d)
sed "s|/run/credentials/matterhost.service/tokens_\*.token|$tokens|; s|/var/lib/matterhost|$tokens|; s|/run/matterhost|$tokens|" \
  /etc/matterhost/matterhost.toml >"$tokens/matterhost.toml"
/usr/bin/matterhost state list --config "$tokens/matterhost.toml" >/dev/null 2>&1 || (($? != 78)) ||
  fail 'the configuration of the package is refused'
rm -r "$tokens"

dpkg --remove matterhost
[[ ! -e /usr/bin/matterhost && -e /etc/matterhost/matterhost.toml ]] || fail 'removing the package is incomplete, or too thorough'
dpkg --purge matterhost
[[ ! -e /etc/matterhost && ! -e /var/lib/matterhost ]] || fail 'purging the package leaves something behind'
printf '%s\n' 'The package was installed, checked, removed and purged.'
