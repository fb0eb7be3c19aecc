"""What speaks HTTP: bodies, routes, what clients see; nothing of how a video is made."""
