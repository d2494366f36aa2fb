"""The quality gate's checks, and the comparison of a challenger with the champion."""
