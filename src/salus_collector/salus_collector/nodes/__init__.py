"""The nodes of collection. A node only wires: parameters, topics, one call into a core."""
