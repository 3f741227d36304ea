"""Test sets kept under their content hash: a trainer sends a problem's tests once.

The hash is "sha256:" and the hex digest of the message in protobuf's
deterministic serialisation, so equal tests share one entry. The least recently
used sets leave when the byte budget is exceeded; a client that then names one
gets UNKNOWN_TESTS and sends it again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.verify.code.validation import validate_tests


class TestSets:
    """The test sets that this process holds, at most `budget_bytes` of them (serialised size)."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held_bytes = 0
        self._sets: OrderedDict[str, pb.TestSet] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """Serialised size of all sets held now."""
        return self._held_bytes

    def put(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a copy of a set; RequestError if it is malformed or above the whole budget."""
        validate_tests(tests, "")
        size = tests.ByteSize()
        if size > self._budget_bytes:
            message = f"the test set has {size} bytes, all sets together may have {self._budget_bytes}"
            raise RequestError(ErrorCode.TOO_LARGE, message, field="tests")
        digest = content_hash(tests)
        if digest not in self._sets:
            self._sets[digest] = _copy(tests)
            self._held_bytes += size
        self._sets.move_to_end(digest)
        self._evict()
        return pb.TestSetRef(hash=digest, cases=count_cases(tests), bytes=size)

    def get(self, digest: str) -> pb.TestSet | None:
        """The set of this hash, not to be changed by the caller; None if it is not held."""
        held = self._sets.get(digest)
        if held is not None:
            self._sets.move_to_end(digest)
        return held

    def _evict(self) -> None:
        while self._held_bytes > self._budget_bytes:
            _, oldest = self._sets.popitem(last=False)
            self._held_bytes -= oldest.ByteSize()


def content_hash(tests: pb.TestSet) -> str:
    """The name of a test set: "sha256:" and 64 hex digits."""
    return f"sha256:{hashlib.sha256(tests.SerializeToString(deterministic=True)).hexdigest()}"


def count_cases(tests: pb.TestSet) -> int:
    """How many tests a set has; asserts count as they were sent."""
    test_format = tests.WhichOneof("tests")
    if test_format == "asserts":
        return len(tests.asserts.tests)
    return len(tests.stdio.cases) + len(tests.call.cases)


def _copy(tests: pb.TestSet) -> pb.TestSet:
    copy = pb.TestSet()
    copy.CopyFrom(tests)
    return copy
