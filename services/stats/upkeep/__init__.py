"""What statistics do for themselves beside counting: prove, count anew, compact, and say how far they are."""
