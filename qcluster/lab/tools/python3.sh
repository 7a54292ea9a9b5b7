#!/bin/sh
# The python3 of a simulated image: starts the simulated proxy where the example is asked for; else a real interpreter
# that finds what the image holds (inside/sitecustomize.py).
for word in "$@"; do
    case $word in
    */load_balance_proxy*server_example.py)
        while [ "$1" != "$word" ]; do shift; done
        shift
        exec "${0%/*}/${word##*/}" "$@"
        ;;
    esac
done
export PYTHONPATH="@TOOLS@/inside${PYTHONPATH:+:$PYTHONPATH}"
exec @PYTHON@ "$@"
