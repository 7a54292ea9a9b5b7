"""The simulated tools. Standard library only, with few imports: each is started hundreds of times."""
