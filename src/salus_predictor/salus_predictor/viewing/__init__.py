"""What a viewer is shown of the risk: shapes without ROS (`marks`), published by `risk_view_node`."""
