"""The application as a service to users: traffic gate, health, metrics, kill switches."""
