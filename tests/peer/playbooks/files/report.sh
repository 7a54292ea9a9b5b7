#!/bin/sh
echo "$# arguments: $1, $2"
pwd | sed 's,.*/,,'
echo "done" > report.txt
