#!/bin/sh
# Puts a service's new files in place, all or none: swap.sh STAGE STATE, run as root by deploys/operations/service.py.
#
# STAGE holds etc/ (the files with their modes and owners) and meta/: paths (one a line), check, activate, restore,
# health, after (shell texts), unit, digest. It lies in /run: secrets are staged in memory, and a full disk cannot cut a
# reason short. STATE survives a reboot: `applied` notes the digest of the last files that were taken up.
#
# Beside each live file two names exist for a while: PATH.outreach-new, written before anything changes, so that a
# full disk is found in time; and PATH.outreach-old, a hard link to what was there, so that going back needs no
# space. STATE/journal exists exactly while live files may be half swapped: whoever finds it goes back first.
# activate and health may read PATH.outreach-old, which is there for each file that changes and was there before.
#
# The last line printed is "done", "refused" (nothing was changed), "undone" (changed and put back), or "broken"
# (put back, but the service does not run as before). The lines before it are the reason; those after a line "--"
# are the service's own log since the swap. Before "done", a line "note: ..." is for the operator to read.
set -u
umask 077
trap '' HUP PIPE # the operator's connection may break; the swap goes on
stage=$1
state=$2
log=$stage/log
TMPDIR=$stage/tmp
export TMPDIR LC_ALL=C
mkdir -p "$TMPDIR"
: >"$log"

finish() { # WORD EXIT
    tail -n 40 "$log"
    echo "$1"
    rm -rf "$stage"
    exit "$2"
}

each() { # COMMAND: run it for every file that changes
    while IFS= read -r path; do "$1" "$path" || return 1; done <"$stage/changing"
}

# Decided here and not by who sent the files: an interrupted swap that is undone first brings older files back.
list_changing() {
    while IFS= read -r path; do
        if [ -L "$path" ] || ! cmp -s "$stage$path" "$path" || [ "$(attributes "$stage$path")" != "$(attributes "$path")" ]
        then echo "$path"; fi
    done <"$stage/meta/paths" >"$stage/changing"
}
attributes() { stat -c '%a %U %G' "$1"; }

copy_new() {
    (umask 022 && mkdir -p "$(dirname "$1")") &&
        cp --preserve=mode,ownership "$stage$1" "$1.outreach-new" &&
        sync -d "$1.outreach-new"
}
drop_new() { rm -f "$1.outreach-new"; }
drop_old() { rm -f "$1.outreach-old"; }
note() { if [ -e "$1" ] || [ -L "$1" ]; then echo "had $1"; else echo "lacked $1"; fi; }
swap() {
    if [ -e "$1" ] || [ -L "$1" ]; then ln -fT "$1" "$1.outreach-old" || return 1; fi
    mv -fT "$1.outreach-new" "$1"
}

go_back() { # undo what the journal lists; safe to repeat
    while read -r had path; do
        if [ -e "$path.outreach-old" ] || [ -L "$path.outreach-old" ]; then
            mv -fT "$path.outreach-old" "$path"
        elif [ "$had" = lacked ]; then
            rm -f "$path"
        fi
        rm -f "$path.outreach-new"
    done <"$state/journal"
    [ ! -e "$state/applied.old" ] || mv -f "$state/applied.old" "$state/applied"
    rm -f "$state/journal"
}

# The check sees the future: a read-only view in which /etc is the staged files over today's /etc, private to it.
check() {
    # shellcheck disable=SC2016
    timeout --kill-after=5 120 unshare -m sh -eu -c \
        'mount -t overlay outreach -o "ro,lowerdir=$1/etc:/etc" /etc && . "$1/meta/check"' check "$stage" 9>&-
}

run() { timeout --kill-after=5 120 sh -eu "$stage/meta/$1" 9>&-; } # 9 is the lock: whatever is left running has it not

unit_log() {
    unit=$(cat "$stage/meta/unit")
    echo --
    [ -z "$unit" ] || journalctl -q -u "$unit" -n 15 -o cat --since "@$started"
}

interrupted=no
if [ -e "$state/journal" ]; then # a swap was killed half way
    interrupted=yes
    go_back
fi

list_changing

refuse() {
    each drop_new
    # The service may still run with half of the files that were just put back.
    if [ $interrupted = yes ] && ! run restore >>"$log" 2>&1; then finish broken 1; fi
    finish refused 1
}

{ check && each copy_new; } >>"$log" 2>&1 || refuse
{
    each drop_old && each note >"$state/journal.new" && sync -d "$state/journal.new" &&
        mv -f "$state/journal.new" "$state/journal"
} >>"$log" 2>&1 || refuse
[ ! -e "$state/applied" ] || mv -f "$state/applied" "$state/applied.old"

started=$(date +%s)
if ! each swap >>"$log" 2>&1; then
    :
elif ! run activate >"$stage/activate.log" 2>&1; then
    { cat "$stage/activate.log"; unit_log; } >>"$log" 2>&1
elif ! run health >>"$log" 2>&1; then
    unit_log >>"$log" 2>&1
else
    rm -f "$state/journal" # from here on there is no way back
    rm -f "$state/applied.old"
    each drop_old
    cp "$stage/meta/digest" "$state/applied.new" && mv -f "$state/applied.new" "$state/applied"
    run after >"$stage/after.log" 2>&1 || echo "note: not tidied up: $(tail -n 1 "$stage/after.log")" >>"$log"
    finish 'done' 0
fi
go_back
run restore >>"$log" 2>&1 || finish broken 1
finish undone 1
