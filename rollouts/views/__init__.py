"""The pages of the machine: short functions, one per URL. They read, call one operation, and show."""
