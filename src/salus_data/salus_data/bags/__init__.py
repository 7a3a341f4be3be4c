"""Bags in and out: rosbag2 files by the library rosbags, without ROS."""
