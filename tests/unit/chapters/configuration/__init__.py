"""Tests of how a release's configuration is kept and compared."""
