"""Ways to reach somebody, one module each behind one small interface."""
