"""The command line: parse, wire, exit code. Command modules are imported only when used."""
