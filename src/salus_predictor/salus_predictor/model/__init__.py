"""Failure predictors: one interface (`base`), hazards, networks and trees behind it."""
