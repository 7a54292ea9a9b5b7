#!/bin/sh
# The host's own python3: a real interpreter, without the detour that some machines put in front of it.
exec @PYTHON@ "$@"
