"""Errors in the logs of api and jobs, whatever their format."""
