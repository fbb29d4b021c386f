"""The shop's table."""

from django.db import models


class Order(models.Model):
    """One order, with a note."""

    item = models.CharField(max_length=100)
    note = models.TextField(null=True)
