"""What people are told, from the facts of the incident: messages at every turn, the ticket, the incident log."""
