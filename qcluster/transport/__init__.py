"""The only code that talks to hosts."""
