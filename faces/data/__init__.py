"""The raw and the valid tables: row checks, exploratory data analysis, label offset."""
