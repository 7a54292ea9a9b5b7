"""`python -m qcluster` is the same program as `qcluster`."""

from qcluster.cli import main

main()
