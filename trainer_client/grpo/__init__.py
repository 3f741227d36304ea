"""Group-relative policy optimisation: advantages, the loss, and the batch they are computed on."""
