"""Pages for people: the live board. Nobody sees more than their communes."""
