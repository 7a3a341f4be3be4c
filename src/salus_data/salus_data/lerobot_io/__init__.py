"""Stores to LeRobotDatasets (v3) and back; LeRobot is imported only where it is used."""
