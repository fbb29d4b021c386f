"""The application as users meet it: traffic gate, health, metrics, kill switches."""
