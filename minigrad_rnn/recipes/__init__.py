"""The systems that can be run, one file each."""
