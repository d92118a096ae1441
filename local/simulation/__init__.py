"""A made-up province: children, what happens to them, and what agencies publish of it, with the true counts.

Nobody in it is real. It never looks at what the platform makes of its events: the truth is counted where it is made.
"""
