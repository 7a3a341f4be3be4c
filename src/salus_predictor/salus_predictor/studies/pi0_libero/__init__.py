"""pi0 on LIBERO-10, 500 real rollouts: which episodes will fail?"""
