# Install packages, the names of which are arguments, with their services held back; none puts right what a killed
# installation left.
#
# invoke-rc.d and deb-systemd-invoke ask policy-rc.d; 101 is "not allowed" (Debian's specification of policy-rc.d).
# A policy of someone else's stays and is theirs to mind.
set -u
policy=/usr/sbin/policy-rc.d log=/run/outreach/apt.log
lift() { if grep -qs outreach $policy; then rm -f $policy; fi; }
trap lift EXIT
trap '' HUP PIPE
mkdir -p /run/outreach
exec 9>/run/outreach/lock
flock -w 900 9 || { echo 'E: another operator is changing this host'; exit 1; }
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold "$@"
}
hold() {
    [ -e $policy ] || printf '#!/bin/sh\n# outreach: not before it is configured\nexit 101\n' >$policy &&
        chmod 755 $policy
}
{
    hold && echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections &&
        dpkg --configure -a &&
        { [ $# -eq 0 ] || { apt update && apt install --no-install-recommends "$@"; }; }
} >$log 2>&1 9>&- || { grep -E '^(E:|Err:|dpkg: error)|No space left' $log || tail -n 5 $log; exit 1; }
