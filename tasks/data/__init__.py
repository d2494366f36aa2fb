"""From raw tables to valid ones, and what a reviewer looks at first."""
