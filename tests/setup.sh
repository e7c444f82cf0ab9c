#!/bin/sh
# Provide the Debian packages of tests/debian-packages.txt: `tests/setup.sh demo` or `tests/setup.sh test` (demo's too).
#
# As root on Debian or Ubuntu the missing ones are installed, and nothing of them is started, now or at boot: a fail2ban
# that starts by itself would change this machine's firewall. Everybody else is told what is missing and how to get it.
set -eu

wanted=${1:-test}
list=$(dirname "$0")/debian-packages.txt
PATH=$PATH:/usr/sbin:/sbin
PYTHON=${PYTHON:-python3}
export PATH PYTHON

missing=
while IFS='|' read -r who package check; do
    who=$(echo $who)
    package=$(echo $package)
    case $who in
        '' | '#'*) continue ;;
        test) [ "$wanted" = test ] || continue ;;
    esac
    sh -c "$check" >/dev/null 2>&1 </dev/null || missing="$missing $package"
done <"$list"

[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing Debian packages:$missing" >&2
    echo "get them with: sudo apt-get install$missing   (what needs them is skipped, and says so)" >&2
    exit 0
fi

# While this runs, package scripts may start nothing. A policy of the machine's own is put back as it was.
policy=/usr/sbin/policy-rc.d
restore() {
    rm -f "$policy"
    [ ! -e "$policy.p2pfw-saved" ] || mv "$policy.p2pfw-saved" "$policy"
}
trap restore EXIT
trap 'exit 130' INT TERM
[ ! -e "$policy" ] || mv "$policy" "$policy.p2pfw-saved"
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

echo "installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 || true   # what is known already may do
if ! apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends install $missing >&2; then
    echo "could not install:$missing   (what needs them is skipped, and says so)" >&2
    exit 0
fi

# Enabled by its package, not by the administrator: only what was installed just now.
disable() {
    for unit in "$@"; do
        systemctl disable "$unit" >/dev/null 2>&1 || true
        update-rc.d "${unit%.socket}" disable >/dev/null 2>&1 || true
    done
}
for package in $missing; do
    case $package in
        docker.io) disable docker.socket docker containerd ;;
        fail2ban | sshguard | prometheus | ufw | firewalld | nginx | haproxy) disable "$package" ;;
        bird2) disable bird ;;
    esac
done
