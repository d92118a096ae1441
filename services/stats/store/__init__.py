"""Statistics' tables and queries: facts, the cube that counts them, and what is asked of it. It holds nobody's name."""
