"""The report on an incident, made from its journal and nothing else."""
