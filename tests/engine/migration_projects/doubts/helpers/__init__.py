"""What the migrations share."""
