"""SkyRL's gym with our environment registered in it."""

import json

import skyrl_gym

from trainer_client.adapters.skyrl import register

register("verdict")
steps = []
for answer in ("so \\boxed{42}", "so \\boxed{41}"):
    environment = skyrl_gym.make("verdict", env_config=None, extras={"reward_spec": {"ground_truth": "42"}})
    steps.append(environment.step(answer))
print(json.dumps([[step["reward"], step["done"], step["metadata"]["status"]] for step in steps]))
