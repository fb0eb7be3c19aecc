"""What the bench of editing measures, an operation or a question a file."""
