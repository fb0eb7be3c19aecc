"""What comes in from outside: taken within limits, opened before anything trusts it."""
