"""Studies: figures of the documentation, each made by a command that anyone can run again."""
