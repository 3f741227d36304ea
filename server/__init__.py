"""The reward server: verification, one core, and the faces that speak for it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("verdict-reward")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
