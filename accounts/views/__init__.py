"""The pages about people themselves."""
