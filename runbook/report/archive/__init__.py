"""All incidents together: the index page and what it shows of them."""
