"""Documentation; the code that draws its figures is `docs.figures`."""
