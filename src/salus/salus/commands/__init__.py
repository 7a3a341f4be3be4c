"""One file a sub-command; what is heavy is imported when the command runs."""
