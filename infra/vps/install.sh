#!/bin/sh
# Makes this machine the VPS of a shop: run by root where the archive was unpacked. Run again, it does what is left.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=$(cat "$here/venv")
wheel=$(echo "$here"/*.whl)
mark=$venv/.ponte-wheel

fail() {
    printf '%s\nHINT: %s\n' "$1" "$2" >&2
    exit "$3"
}

bring() {
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" ||
        fail "the packages $* could not be installed" "install them by hand, then run this again" 1
}

[ "$(id -u)" = 0 ] || fail "only root may install" "run: sudo sh $0" 2
command -v python3 >/dev/null || bring python3
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "this system's Python is older than 3.11" "take Debian 12, Ubuntu 24.04 or newer" 2
if [ ! -x "$venv/bin/python" ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || bring python3-venv
    python3 -m venv "$venv"
fi
if ! command -v caddy >/dev/null; then
    bring caddy
    systemctl disable --now caddy.service # the distribution's own: ours is ponte-https.service
fi
if ! [ -f "$mark" ] || ! (cd "$here" && sha256sum --status -c "$mark"); then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt" &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel" ||
        fail "Ponte's packages could not be installed" "look at pip's words above, then run this again" 1
    (cd "$here" && sha256sum ./*.whl) >"$mark"
fi
exec "$venv/bin/python" -m publications.install "$here/bundle.json" "$@"
