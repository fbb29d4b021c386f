"""What the terminal shows while a run is under way."""
