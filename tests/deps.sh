#!/bin/sh
# Installs what building (and with "test", testing) svcsim needs and the machine lacks.
#
# A need is "kind:name:package": a command on PATH, a pkg-config or a Python module, and the Debian package that brings
# it.  On Debian and its kin missing packages are installed through apt, with sudo where needed, after saying what and why;
# elsewhere they are named.
set -eu

build="command:cc:gcc command:pkg-config:pkg-config module:glib-2.0:libglib2.0-dev module:libpcap:libpcap-dev
module:yaml-0.1:libyaml-dev"
test="module:cunit:libcunit1-dev command:tshark:tshark command:ip:iproute2 command:iptables-save:iptables command:nft:nftables
command:ipset:ipset command:conntrack:conntrack command:tcpdump:tcpdump command:python3:python3 python:yaml:python3-yaml
command:clang:clang command:gnuplot:gnuplot-nox"

needs=$build
why="building svcsim"
if [ "${1:-build}" = test ]; then
    needs="$build $test"
    why="building and testing svcsim"
fi

PATH=$PATH:/usr/sbin:/sbin
missing=
for need in $needs; do
    kind=${need%%:*}
    rest=${need#*:}
    name=${rest%%:*}
    case $kind in
    command) command -v "$name" >/dev/null 2>&1 && continue ;;
    python) python3 -c "import $name" >/dev/null 2>&1 && continue ;;
    module) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$name" && continue ;;
    esac
    missing="$missing ${rest#*:}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "For $why, please install what provides these Debian packages:$missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "For $why these packages are missing, and there is neither root nor sudo to install them:$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "Installing for $why:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words on purpose
$sudo apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
    $sudo apt-get update -q >/dev/null
    $sudo apt-get install -y --no-install-recommends $missing >/dev/null
}
