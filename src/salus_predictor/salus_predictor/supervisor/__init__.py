"""The filter in the command path, as a core without ROS."""
