"""What people are told, and the channel that tells them."""
