"""What becomes of a push when one of its requests fails: every request, every fault."""
