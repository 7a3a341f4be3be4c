"""What the cameras show: a small network that locates object and obstacle, and its signals."""
