"""What makes the jobs: taken from the queue, kept on the way, given back by who dies."""
