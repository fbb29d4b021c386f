"""What an order costs."""

LIST_PRICE = 1000  # euro cents, of anything without a price of its own
PRICES = {"coffee": 450, "grinder": 8900, "kettle": 5900, "mug": 1200}  # euro cents

# How much of each currency one euro buys.
RATES = {"EUR": 1.0, "CHF": 0.93, "GBP": 0.87, "USD": 1.17}


def convert(cents: int, source: str, destination: str) -> int:
    """Return the amount in cents of another currency; KeyError for a currency that we do not take."""
    return round(cents / RATES[source] * RATES[destination])


def price(item: str, quantity: int, currency: str) -> int:
    """Return what so many pieces cost, in cents of the order's currency."""
    return convert(PRICES.get(item, LIST_PRICE) * quantity, "EUR", currency)


def in_euro(item: str, quantity: int, currency: str) -> int:
    """Return what an order brings, in euro cents, as the books want it."""
    return convert(price(item, quantity, currency), currency, "EUR")
