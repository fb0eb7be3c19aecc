"""What the bench of trust needs to measure marks and signatures."""
