"""A folder with a single file in it: ms-swift puts it first on Python's path."""
