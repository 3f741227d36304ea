"""The trainer client: a client for the reward server, and a recipe that learns from its verdicts."""
