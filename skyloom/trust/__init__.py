"""Trust: what may be asked, what may be shown, and proof of where a clip comes from."""
