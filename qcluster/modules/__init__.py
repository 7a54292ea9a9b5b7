"""What a task can make true on a host. One file a module; `table.py` lists them."""
