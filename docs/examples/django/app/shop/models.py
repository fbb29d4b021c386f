"""The shop's table."""

from django.db import models


class Order(models.Model):
    """One order."""

    item = models.CharField(max_length=100)
