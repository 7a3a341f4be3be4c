"""Running a collection: settings, worker processes, progress."""
