"""A note with each order."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """A column that may be empty."""

    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("Order", "note", models.TextField(null=True))]
