"""The cost report: one model, and its Markdown, CSV, JSON, FOCUS and HTML forms with charts."""
