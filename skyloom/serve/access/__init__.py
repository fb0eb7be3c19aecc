"""Who may ask, how much, and whether a request has come before."""
