"""The embedded cluster: simulated Ascend hosts behind a real SSH protocol. Nothing here talks to an NPU."""
