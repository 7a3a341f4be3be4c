"""Training: from stores to a fitted predictor, or a refusal that says why."""
