"""Pieces of POSIX sh that several probes begin with."""

from __future__ import annotations

EXPAND = r"""# Sets $p to the path $1 with a leading ~ and $NAME resolved; a name that is not set stays as written.
expand() {
  p=$1
  case $p in
    '~' | '~/'*) p=$HOME${p#'~'} ;;
    '~'*)
      name=${p#'~'} name=${name%%/*}
      case $name in *[!A-Za-z0-9_.-]*) ;; *) eval "home=~$name"; p=$home${p#"~$name"} ;; esac ;;
  esac
  case $p in *'$'*) ;; *) return 0 ;; esac
  rest=$p p=
  while :; do
    case $rest in *'$'*) ;; *) p=$p$rest; return 0 ;; esac
    p=$p${rest%%'$'*} rest=${rest#*'$'}
    whole=${rest%%[!A-Za-z0-9_]*} name=$whole
    case $rest in '{'*'}'*) name=${rest#'{'} name=${name%%'}'*} whole="{$name}" ;; esac
    case $name in
      '' | [0-9]* | *[!A-Za-z0-9_]*) p=$p'$' ;;
      *)
        if eval "[ -n \"\${$name+set}\" ]"; then eval "p=\$p\$$name"; else p="$p\$$whole"; fi
        rest=${rest#"$whole"} ;;
    esac
  done
}
"""
