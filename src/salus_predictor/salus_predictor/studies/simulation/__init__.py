"""The predictor on simulated episodes: seeds, inputs, data, held-out causes, baselines."""
