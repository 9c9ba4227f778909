#!/bin/sh
# Join this Linux machine to the shop's tailnet, as root: join.sh intranet|vps KEY_FILE [LOGIN_SERVER]
#
# KEY_FILE holds an auth key that carries the tag (tag:intranet or tag:vps), mode 0600; it is never a word of a
# command, which everybody on the machine could read. LOGIN_SERVER is headscale's address; none is Tailscale's own.
# TAILSCALE_SOCKET names another tailscaled, HOSTS another hosts file, TAILSCALE_UP more words for `tailscale up`.
set -eu

fail() {
    printf '%s\nHINT: %s\n' "$1" "$2" >&2
    exit "${3:-1}"
}

end=${1:-} key=${2:-} server=${3:-} peer_name=intranet-sgp
case $end in
    intranet) name=$peer_name ;;
    vps) name=ponte-vps ;;
    *) fail "which end is this machine?" "join.sh intranet|vps KEY_FILE [LOGIN_SERVER]" 2 ;;
esac
[ -f "$key" ] && [ -r "$key" ] || fail "there is no key in '$key'" "write the auth key in that file, mode 0600" 2
[ -z "$(find -L "$key" -perm /044)" ] || fail "$key can be read by others" "run: chmod 600 $key" 2
command -v tailscale >/dev/null || fail "tailscale is not installed" "see https://tailscale.com/download/linux"

cli() { tailscale ${TAILSCALE_SOCKET:+"--socket=$TAILSCALE_SOCKET"} "$@"; }

if [ -z "${TAILSCALE_SOCKET:-}" ]; then systemctl enable --now tailscaled; fi
# A key that has ended is not made good by another: the machine has to introduce itself anew.
again=
if cli status --json | grep -q '"HaveNodeKey": true' && ! cli status >/dev/null 2>&1; then again=--force-reauth; fi
# shellcheck disable=SC2086  # several words
cli up $again --auth-key="file:$(realpath "$key")" --hostname="$name" --timeout=90s ${server:+"--login-server=$server"} \
    ${TAILSCALE_UP:-} || fail "this machine did not join" "see 'tailscale status'; an auth key is good once, and ends"
printf 'joined as %s, %s\n' "$name" "$(cli ip -4)" >&2

# Where MagicDNS or split DNS knows the name, that counts; else the hosts file does, for a node keeps its address.
hosts=${HOSTS:-/etc/hosts}
if [ "$end" = vps ] && ! getent hosts intranet-sgp.internal >/dev/null && ! grep -qs "intranet-sgp.internal" "$hosts"; then
    address=$(cli ip -4 "$peer_name") || fail "the intranet has not joined yet" "join it, then run this again"
    printf '%s intranet-sgp.internal\n' "$address" >>"$hosts"
    printf 'intranet-sgp.internal is %s, by %s\n' "$address" "$hosts" >&2
fi
