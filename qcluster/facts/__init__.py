"""What a host can be asked: each file holds a command and the parser of its answer."""
