"""The parts of the simulated `docker`: its store, templates, images and running containers."""
