"""The postmortem: the editor, its rows, its revisions, and the acts that end it."""
