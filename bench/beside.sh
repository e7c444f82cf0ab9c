#!/bin/sh
# p2pfw beside CrowdSec and fail2ban, in one run: `bench/beside.sh [--runs N] [--list N] [--markdown]`.
#
# Their Debian packages are fetched and unpacked below build/beside, and run from there in network namespaces of their
# own: nothing is installed, no service starts, and this machine's firewall is not touched.
set -eu
cd "$(dirname "$0")/.."

unpacked=$PWD/build/beside/unpacked
if [ ! -x "$unpacked/usr/bin/crowdsec" ] || [ ! -e "$unpacked/usr/bin/fail2ban-server" ]; then
    mkdir -p build/beside "$unpacked"
    (cd build/beside && apt-get -qq download crowdsec crowdsec-firewall-bouncer fail2ban)
    for package in build/beside/*.deb; do
        dpkg-deb --extract "$package" "$unpacked"
    done
fi
make --no-print-directory .venv/installed-test
exec .venv/bin/python -m bench.beside "$unpacked" "$@"
