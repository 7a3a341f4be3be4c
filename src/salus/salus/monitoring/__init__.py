"""The live view of a watched robot: what is heard, and how it is shown."""
