"""How good a predictor is: per step, per event and per episode, each figure with its interval."""
