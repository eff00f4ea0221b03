"""Wiring only: settings, doors, processes. Imports everything, is imported by nothing."""
