"""Who: hosts, groups and variables from Ansible's YAML inventory format."""
