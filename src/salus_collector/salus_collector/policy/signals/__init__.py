"""Uncertainty of a policy, from the chunks it samples: pure numpy, arrays in, numbers out.

Throughout, samples are (K, S, T, D): K members, S noises that all members share, T steps of a
chunk, D components of an action, each over half the range that its action space allows.
"""
