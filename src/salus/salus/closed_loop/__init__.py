"""What a supervisor is worth: the same episodes with it, without it, and with random stops.

`loop` one episode over the nodes' own cores, without ROS; `timetable` stops at random times; `rows`
what is kept of an episode; `run` all of them; `figures` what they come to; `page` for people.
"""
