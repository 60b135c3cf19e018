"""What the entries run: one file each, with `probes(contender, library, size)`."""
