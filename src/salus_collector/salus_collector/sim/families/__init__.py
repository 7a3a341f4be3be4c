"""Disturbance families: causes of trouble with a continuous severity. None decides a label."""
