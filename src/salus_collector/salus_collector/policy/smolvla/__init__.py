"""SmolVLA as a policy: LeRobot checkpoints, small ones of our own, and how they are trained."""
