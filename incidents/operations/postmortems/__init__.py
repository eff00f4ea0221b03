"""The page an incident leaves behind: drafted from the record, written by several at once, signed."""
