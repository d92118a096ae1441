"""What a figure is: an indicator's value, what it is compared with, and who may see how much of it."""
