"""Data only: one YAML a model family, `hardware.yaml`, `releases.yaml`, `base.yaml`. A new model is a new file."""
