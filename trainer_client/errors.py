"""The whole error tree of the trainer client.

    TrainerError
    ├── RewardRequestError   the reward server says the request itself is wrong; sending it again cannot help
    ├── NotJudged            a trainer wants a number, and the completion was not judged
    ├── ServerUnreachable    nobody answers at the reward server's address
    ├── RecipeError          a recipe file that cannot be run; names the key at fault
    ├── CheckpointError      nothing to resume from, or a checkpoint of another recipe
    ├── VerifierMismatch     the server judges a known answer otherwise than it must
    ├── SamplerError         the sampler's server failed or does not start
    ├── StaleSamplerError    sampler and trainer disagree about the policy
    └── Interrupted          a signal asked for the end

A fault of the service while it judges is no exception: it is a `Verdict` whose
reward is None. Only an adapter raises it, where a trainer has no word for that.
"""

from __future__ import annotations


class TrainerError(Exception):
    """Root of the client's own errors; `str()` of each is fit to be shown to a person."""


class RewardRequestError(TrainerError):
    """The reward server refused the request itself.

    `code` is the API's error code (INVALID_ARGUMENT, TOO_LARGE, ...), `field` the path of the field
    at fault (`code.limits.cpu_seconds`) or empty.
    """

    def __init__(self, code: str, message: str, *, field: str = "") -> None:
        # Servers like to begin the message with the field already.
        where = f" at {field}" if field and not message.startswith(field) else ""
        super().__init__(f"{code}{where}: {message}")
        self.code = code
        self.message = message
        self.field = field


class NotJudged(TrainerError):
    """A completion without a judgement, where the trainer takes nothing but numbers. `status` says why."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class VerifierMismatch(TrainerError):
    """The server accepted a wrong answer or rejected a right one before training began."""


class ServerUnreachable(TrainerError):
    """Nobody answers at the reward server's address."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(
            f"no reward server answers at {address} ({why}); start one with: reward-server serve"
        )
        self.address = address


class RecipeError(TrainerError):
    """A recipe that cannot be run; the message begins with the key at fault."""


class CheckpointError(TrainerError):
    """There is nothing to resume from, or it belongs to another recipe."""


class SamplerError(TrainerError):
    """The process that samples failed, died or does not start."""


class StaleSamplerError(TrainerError):
    """Sampler and trainer give one token different log-probabilities: they do not hold the same weights."""


class Interrupted(TrainerError):
    """A signal asked for the end. `signal_number` gives the exit status: 128 + it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
