"""The registry's rules, pure: who a child is, what is known of it, when two records are one. No I/O, no clock."""
