"""Outbound only: how messages leave, through transports that may fail without undoing anything."""
