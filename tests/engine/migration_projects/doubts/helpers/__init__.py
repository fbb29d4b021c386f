"""Shared by the migrations."""
