"""What people and machines see of a run. Reporters are callables that take events."""
