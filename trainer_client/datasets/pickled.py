"""Reads a pickled string without unpickling: nothing of the pickle is ever run.

`pickle` is a program for a small machine, and loading one may call anything. This reader takes the opcodes
one by one (PEP 307, PEP 3154; `pickletools` in the standard library) and knows only those of a single str.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import zlib

MOST_BYTES = 1 << 30  # of one row's tests, unpacked; LiveCodeBench's largest are some 100 MB
_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
_HARMLESS = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"}


class NotPickledText(ValueError):
    """The bytes are not the pickle of one string."""


def unpickled_text(pickle: bytes) -> str:
    """The string that was pickled. Raises NotPickledText for any pickle of anything else."""
    found: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name in _TEXT:
                found.append(str(argument))
            elif opcode.name not in _HARMLESS:
                raise NotPickledText(f"opcode {opcode.name} is no part of a pickled string")
    except UnicodeDecodeError as error:
        raise NotPickledText(str(error)) from None
    except ValueError as error:  # also NotPickledText, which stays as it is
        raise error if isinstance(error, NotPickledText) else NotPickledText(str(error)) from None
    if len(found) != 1:
        raise NotPickledText(f"{len(found)} strings where one is wanted")
    return found[0]


def packed_text(encoded: str) -> str:
    """The string behind base64, zlib and pickle. Raises NotPickledText."""
    try:
        packed = base64.b64decode(encoded, validate=True)
        unpacker = zlib.decompressobj()
        pickle = unpacker.decompress(packed, MOST_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise NotPickledText(str(error)) from None
    if not unpacker.eof:
        raise NotPickledText(f"it is cut off, or above {MOST_BYTES} bytes unpacked")
    return unpickled_text(pickle)
