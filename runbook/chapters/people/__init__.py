"""Messages to people from the facts of the incident: announcements at every turn, the ticket, the incident log."""
