"""What statistics mean, pure: what is counted, what an indicator is made of, what may be shown. No I/O, no clock."""
