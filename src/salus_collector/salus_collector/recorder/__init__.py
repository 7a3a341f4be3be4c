"""From messages that arrive in any order to whole episodes; the same code reads live and bags."""
