"""Announcements, tickets and the incident log."""
