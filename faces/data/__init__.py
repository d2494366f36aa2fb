"""Raw and valid tables: row checks, exploratory data analysis, label offset."""
