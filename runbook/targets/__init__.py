"""The choice of the target: read the sources, rank the candidates, select one. Also the container registry."""
