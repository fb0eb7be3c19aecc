"""What a prompt asks for: how it is spelt, lists of words and names, rules, a small classifier."""
