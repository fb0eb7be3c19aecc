"""The judges of generated clips: what they learn from, how far they can be trusted."""
