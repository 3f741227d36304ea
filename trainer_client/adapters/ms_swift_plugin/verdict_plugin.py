"""The file for ms-swift's `--external_plugins`; see `trainer_client.adapters.ms_swift`."""

from trainer_client.adapters.ms_swift import NAME, VerdictReward

__all__ = ["NAME", "VerdictReward"]
