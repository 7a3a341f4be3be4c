"""What a viewer is shown of the risk, as shapes without ROS; risk_view_node publishes them."""
