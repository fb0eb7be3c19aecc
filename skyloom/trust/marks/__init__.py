"""Parts of the watermark: its patterns and code, and how it is found again."""
