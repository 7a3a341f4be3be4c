"""What of the failures could be foreseen: from when on their causes can be seen."""
