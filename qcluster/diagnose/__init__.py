"""What goes wrong, and why: preflight on facts, start-up milestones, and the catalogue of known failures."""
