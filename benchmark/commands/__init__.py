"""The commands of this package; `aloe.cli` mounts them by name."""
