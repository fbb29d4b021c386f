"""The sentences of the runbook, each bound to one call; what they do is `runbook`'s business."""
