"""Cases: reports of concern and what is done about them, by whom, by when."""
