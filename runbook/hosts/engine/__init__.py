"""The Docker engine of a host, read through its API. Changes go through commands."""
