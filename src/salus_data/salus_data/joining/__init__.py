"""From messages that arrive in any order to whole episodes; live recorder and bags alike."""
