#!/bin/sh
echo out
exit 5
