"""The pages of incidents: short functions, one per URL. They read, call one operation, and show."""
