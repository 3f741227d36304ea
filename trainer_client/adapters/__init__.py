"""Plugins for trainers that take Python: each a few lines over one `Scorer`.

Each module imports its trainer only where it must, and none needs torch or the
server to be installed. How to point a trainer at one: docs/trainers/.
"""
