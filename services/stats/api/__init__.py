"""HTTP for programs: figures and how far they are counted. Nobody sees more than their communes."""
