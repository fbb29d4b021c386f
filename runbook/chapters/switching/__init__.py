"""The switch: the way decided, the target started beside the failed release and put in its place, or taken away."""
