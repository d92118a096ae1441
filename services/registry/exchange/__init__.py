"""Records that leave for files and other systems, and records that come from them.

Out: only what the person may take along, marked and logged. In: through the desk like everything else, each broken rule
told with its field.
"""
