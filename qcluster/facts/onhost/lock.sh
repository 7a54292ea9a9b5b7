# shellcheck shell=sh disable=SC2154  # $lock is set by the script that this stands in front of
# One holder at a time, on one host or on several that share the folder. The holder touches the lock every few seconds;
# one that has not been touched for $patience seconds belongs to nobody, and at once where its process was on this very
# host and is gone. Ages are differences of two times that the folder's own file system wrote: a clock may be wrong.
patience=120 pause=2

began() { # when a process of this host began; nothing of one that is gone, or that nobody has waited for
  sed 's/.*) //' "/proc/${1:-none}/stat" 2>/dev/null | awk '$1 !~ /[ZX]/ { print $20 }'
}

# two hosts may be containers of one kernel: a process number says something only where both count the same processes
boot=$(cat /proc/sys/kernel/random/boot_id)-$(readlink /proc/self/ns/pid | tr -dc 0-9)
token=$(uname -n):$$:$(began "$$"):$boot:$(cat /proc/sys/kernel/random/uuid)

age() { # seconds since DIR was touched
  : >"$lock.at-$token" || return 1
  now=$(stat -c %Y "$lock.at-$token")
  rm -f "$lock.at-$token"
  ls "$1" >/dev/null 2>&1 # over NFS, what is opened is asked for anew
  then=$(stat -c %Y "$1" 2>/dev/null) || return 1
  echo "$((now - then))"
}

died() { # whether the lock in DIR was held by a process of this host that is gone
  IFS=: read -r _ pid since where _ 2>/dev/null <"$1/owner" || return 1
  [ "$where" = "$boot" ] && [ "$(began "$pid")" != "$since" ]
}

stale() { died "$1" || { seconds=$(age "$1") && [ "$seconds" -gt "$patience" ]; }; }

owner() { cat "$lock/owner" 2>/dev/null; }

mine() { [ "$(owner)" = "$token" ]; }

usurp() { # only one gets the rename through; a lock that turns out to be another one, alive, is put back
  was=$(owner)
  gone=$lock.of-$token
  mv -T "$lock" "$gone" 2>/dev/null || return 0
  if [ "$(cat "$gone/owner" 2>/dev/null)" = "$was" ] && stale "$gone"; then
    echo "taking over from ${was%%:*}, which is gone"
    rm -rf "$gone"
  else
    mv -T "$gone" "$lock" 2>/dev/null || rm -rf "$gone"
  fi
}

hold() { # wait for the lock and take it; `waiting` is called meanwhile, and may end the script
  refused=0 seen=
  until mkdir "$lock" 2>/dev/null; do
    if [ ! -d "$lock" ]; then # it has just gone, or none can be made
      refused=$((refused + 1))
      [ "$refused" -lt 50 ] || { echo "no lock can be made: $lock"; exit 73; }
    elif stale "$lock"; then
      usurp
    else
      by=$(owner)
      [ "$by" = "$seen" ] || echo "waiting: ${by%%:*} holds $lock"
      seen=$by
      waiting
      sleep "$pause"
    fi
  done
  printf '%s\n' "$token" >"$lock/owner" || exit 73
}

keep() { # in the background: keep the lock fresh while this script lives; end $work when the lock is lost
  lost=0
  while kill -0 "$$" 2>/dev/null; do
    if mine; then
      lost=0
      touch -c "$lock"
    else
      lost=$((lost + 1))
    fi
    [ "$lost" -lt 3 ] || { echo "the lock was taken away by $(owner)"; kill -TERM "$$"; return; }
    meanwhile
    sleep "$pause"
  done
}

release() { # give the lock back, unless it is another's by now
  mine || return 0
  mv -T "$lock" "$lock.of-$token" 2>/dev/null && rm -rf "$lock.of-$token"
}
