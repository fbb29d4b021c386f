"""The shop: takes orders, keeps the day's totals, answers for its own health."""
