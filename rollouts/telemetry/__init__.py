"""What agents report about themselves: OTLP in, answers for triage out."""
